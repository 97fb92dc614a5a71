"""`pri dev`: the stack in the foreground of a terminal, until a signal ends it."""

import signal
import sys
import threading
from types import FrameType

from devstack.children import Options
from devstack.console import say
from devstack.errors import DevstackError, Interrupted
from devstack.stack import DevStack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(options: Options) -> None:
    """Returns after SIGINT, SIGTERM or SIGHUP, with everything ended; DevstackError when it cannot start."""
    stop = threading.Event()
    stack = DevStack(options, stopping=stop.is_set)
    try:
        break_off_with_exception()
        stack.fetch()
        only_tell(stop)
        with stack:
            _announce(stack)
            stop.wait()
            say("ending")
    except (Interrupted, KeyboardInterrupt):
        say("ended before it was ready")
    except OSError as error:
        raise DevstackError(f"cannot use {options.data_dir}: {error}") from error


def break_off_with_exception() -> None:
    """For as long as nothing was started that has to be ended: a signal raises KeyboardInterrupt."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)


def only_tell(stop: threading.Event) -> None:
    """From here on a signal only sets `stop`, so that no child is lost between its start and our noting it."""

    def tell(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in SIGNALS:
        signal.signal(number, tell)


def _announce(stack: DevStack) -> None:
    """The one line on stdout that scripts wait for; the rest is for people."""
    addresses = stack.addresses
    say(f"admin pages  {addresses.api}/admin (user admin, the bearer key as the password)")
    say(f"API docs     {addresses.api}/docs")
    if addresses.temporal_ui:
        say(f"Temporal UI  {addresses.temporal_ui}")
    say(f"bearer key   BOOTSTRAP_API_KEY, or bootstrap_key in {stack.data_dir / 'dev.json'}")
    sys.stdout.write(f"ready {addresses.api}\n")
    sys.stdout.flush()
