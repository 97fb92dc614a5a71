"""`pri dev`: the stack in the foreground of a terminal, until a signal ends it."""

import signal
import sys
import threading
from types import FrameType

from devstack.console import print_status
from devstack.errors import DevstackError, StackInterrupted
from devstack.programs import Options
from devstack.stack import DevStack

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(options: Options) -> None:
    """Returns after SIGINT, SIGTERM or SIGHUP, with everything stopped. Raises DevstackError if it can't start."""
    stop = threading.Event()
    stack = DevStack(options, stopping=stop.is_set)
    try:
        # A download may be broken off at any moment, so until now a signal may raise. From here on there are children
        # to stop, and a signal only sets the event.
        raise_on_signals()
        stack.fetch_programs()
        set_event_on_signals(stop)
        with stack:
            _announce_ready(stack)
            stop.wait()
            print_status("ending")
    except (StackInterrupted, KeyboardInterrupt):
        print_status("ended before it was ready")
    except OSError as error:
        raise DevstackError(f"cannot use {options.data_dir}: {error}") from error


def raise_on_signals() -> None:
    """Makes a stop signal raise KeyboardInterrupt; only while no child is running."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def set_event_on_signals(stop: threading.Event) -> None:
    """Makes a stop signal only set `stop`: an exception between a child's start and its note would lose the child."""

    def set_event(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, set_event)


def _announce_ready(stack: DevStack) -> None:
    """Prints the addresses on stderr, and on stdout the line `ready ADDRESS`, which scripts wait for."""
    addresses = stack.addresses
    print_status(f"admin pages  {addresses.api}/admin (user admin, the bearer key as the password)")
    print_status(f"API docs     {addresses.api}/docs")
    if addresses.temporal_ui:
        print_status(f"Temporal UI  {addresses.temporal_ui}")
    print_status(f"bearer key   BOOTSTRAP_API_KEY, or bootstrap_key in {stack.data_dir / 'dev.json'}")
    sys.stdout.write(f"ready {addresses.api}\n")
    sys.stdout.flush()
