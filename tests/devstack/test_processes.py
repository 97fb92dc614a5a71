"""Processes are identified by more than their id and end with their whole group."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from devstack import ports
from devstack.errors import DevstackError, StackInterrupted
from devstack.processes import Identity, Program, end_process, exclusive_lock, is_alive, spawn, start_mark, wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)  # fmt: skip
WITH_GRANDCHILD = (sys.executable, "-c", "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)")  # fmt: skip # noqa: E501


def program_with(folder: Path, argv: tuple[str, ...], grace: float = 5.0) -> Program:
    return Program("thing", argv, folder / "logs" / "thing.log", grace_seconds=grace)


def read_output(folder: Path) -> str:
    log = folder / "logs" / "thing.log"
    assert wait_until(lambda: log.exists() and log.read_text().strip() != "", 10)
    return log.read_text().strip()


def test_process_is_identified_until_it_ends(folder: Path) -> None:
    child = spawn(program_with(folder, SLEEP))
    assert wait_until(lambda: is_alive(child.identity), 5)
    child.stop()
    assert not is_alive(child.identity)


@pytest.mark.parametrize("changes", [{"started": "another boot/1"}, {"argv": ("python", "something", "else")}])
def test_another_process_with_the_same_id_is_not_stopped(folder: Path, changes: dict[str, object]) -> None:
    child = spawn(program_with(folder, SLEEP))
    try:
        end_process(replace(child.identity, **changes), grace_seconds=0.1)  # type: ignore[arg-type]
        assert child.exit_code() is None
    finally:
        child.kill()


def test_process_that_ignores_sigterm_is_killed_after_the_grace(folder: Path) -> None:
    child = spawn(program_with(folder, STUBBORN, grace=0.3))
    read_output(folder)
    child.stop()
    assert child.exit_code() == -signal.SIGKILL


@pytest.mark.parametrize("signal_name", ["stop", "kill"])
def test_whole_process_group_ends(folder: Path, signal_name: str) -> None:
    child = spawn(program_with(folder, WITH_GRANDCHILD))
    grandchild = int(read_output(folder))
    getattr(child, signal_name)()
    assert wait_until(lambda: start_mark(grandchild) is None, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="an extra of Linux")
def test_children_end_with_a_killed_starter(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from devstack.processes import Program, spawn\n"
        f"print(spawn(Program('thing', {SLEEP!r}, Path({str(folder)!r}) / 'log')).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=os.getcwd()) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        time.sleep(0.3)
        starter.kill()
    assert wait_until(lambda: start_mark(pid) is None, 5)


def test_missing_program_is_reported_in_its_log(folder: Path) -> None:
    child = spawn(program_with(folder, ("/no/such/program",)))
    assert wait_until(lambda: child.exit_code() is not None, 5)
    assert "No such file" in read_output(folder)


def test_waiting_ends_on_a_stop_request() -> None:
    with pytest.raises(StackInterrupted):
        wait_until(lambda: False, 5, stopping=lambda: True)


def test_a_port_in_use_is_named_with_its_option() -> None:
    import socket

    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(DevstackError, match=rf"port {port} is in use.*--api-port"):
            ports.choose_port(port, "--api-port")
    assert ports.choose_port(port, "--api-port") == port
    assert ports.choose_port(0, "--api-port") > 0


def test_a_lock_is_held_once_and_given_back(folder: Path) -> None:
    with (
        exclusive_lock(folder / "lock", "busy"),
        pytest.raises(DevstackError, match="busy"),
        exclusive_lock(folder / "lock", "busy"),
    ):
        pytest.fail("two had the lock")
    with exclusive_lock(folder / "lock", "busy"):
        pass


def test_an_unknown_process_is_not_alive() -> None:
    assert not is_alive(Identity(2**22 + 1, "never", ("nothing",)))
