"""Starts and ends programs as processes with a group of their own, identified by more than their number."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from devstack.errors import DevstackError, StackInterrupted

LAUNCHER = Path(__file__).parent / "_launch.py"


def launch_prefix(user: tuple[int, int] | None, death_signal: int = 0) -> list[str]:
    """The command prefix that changes to `user` and has the program end with its starter; see `_launch.py`."""
    uid, gid = user or (-1, -1)
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(int(death_signal)), str(uid), str(gid), "--"]


@dataclass(frozen=True)
class Program:
    """A program to run. `env` None inherits the environment; `user` is (uid, gid) to run as, for root only."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    user: tuple[int, int] | None = None


@dataclass(frozen=True)
class Identity:
    """Identifies one process: its number, the system's mark of when it started, and its arguments.

    The number alone could by then belong to another program, which must never be signalled.
    """

    pid: int
    started: str
    argv: tuple[str, ...]


def start_mark(pid: int) -> str | None:
    """The system's mark of when `pid` started, comparable only for equality; None for no process or a zombie."""
    if sys.platform != "linux":
        return _ps_column(pid, "lstart")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # Start times count from boot, so the same number and time can come again after a restart of the machine.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def pid_exists(pid: int) -> bool:
    """Whether the number is in use, even by a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> tuple[str, ...]:
    """The arguments of a running process; empty if it is gone, or of another user."""
    if sys.platform != "linux":
        return tuple((_ps_column(pid, "command") or "").split())
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1])
    except OSError:
        return ()


def _ps_column(pid: int, column: str) -> str | None:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def is_alive(identity: Identity) -> bool:
    """Whether this very process still runs: same start mark, and the same arguments after the program's name."""
    if start_mark(identity.pid) != identity.started:
        return False
    wanted = identity.argv[1:]
    return not wanted or _ends_with(command_line(identity.pid), wanted)


def _ends_with(line: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return line[-len(wanted) :] == wanted or " ".join(line).endswith(" ".join(wanted))


def end_process(identity: Identity, first: signal.Signals = signal.SIGTERM, grace_seconds: float = 10.0) -> None:
    """Ends a process and its group by the signal `first`, and by SIGKILL after the grace; never another process."""
    if not is_alive(identity):
        return
    signal_group(identity.pid, first)
    if not wait_until(lambda: start_mark(identity.pid) != identity.started, grace_seconds):
        signal_group(identity.pid, signal.SIGKILL)
        wait_until(lambda: start_mark(identity.pid) != identity.started, 5.0)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Sends a signal to the process group that `pid` leads, or to `pid` alone if it leads none."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    stopping: Callable[[], bool] = lambda: False,
    every: float = 0.05,
) -> bool:
    """Whether the condition became true within `seconds`. Raises StackInterrupted when `stopping` returns True."""
    deadline = time.monotonic() + seconds
    while not condition():
        if stopping():
            raise StackInterrupted("stopped while starting")
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


class Child:
    """A program started by us; `started_at` in seconds since 1970."""

    def __init__(self, program: Program, popen: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.identity = Identity(popen.pid, start_mark(popen.pid) or "", program.argv)
        self._popen = popen
        self._group_killed = False
        self.started_at = time.time()

    @property
    def pid(self) -> int:
        """The process's number, which is also its group's."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """The exit code; None while it runs; the negative signal number if a signal ended it."""
        return self._popen.poll()

    def kill(self) -> None:
        """Sends SIGKILL to the whole group and waits for the process."""
        if self.exit_code() is None:
            signal_group(self.pid, signal.SIGKILL)
            self._popen.wait()

    def stop(self) -> None:
        """Sends the program's stop signal, kills it after its grace, and kills what remains of its group."""
        if self.exit_code() is None:
            signal_group(self.pid, self.program.stop_signal)
            wait_until(lambda: self.exit_code() is not None, self.program.grace_seconds)
        self.kill()
        self._kill_group()

    def _kill_group(self) -> None:
        """Kills processes that outlived the group's leader; once only, since the number may be given out again."""
        if not self._group_killed:
            self._group_killed = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def spawn(program: Program) -> Child:
    """Starts a program in its own session, with its output appended to its log.

    To be called from a thread that lives as long as the program: Linux sends the death signal when the starting thread
    ends. Raises DevstackError if it can't be started.
    """
    program.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with program.log.open("ab") as log:
            return Child(program, _open_process(program, log.fileno()))
    except OSError as error:
        raise DevstackError(f"cannot start {program.name}: {error}") from error


def _open_process(program: Program, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*launch_prefix(program.user, program.stop_signal), *program.argv],
        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        env=program.env, cwd=program.cwd, start_new_session=True,
    )  # fmt: skip


def last_log_line(log: Path) -> str:
    """The last line of a log that isn't empty, at most 400 characters, for an error message; empty without one."""
    try:
        written = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(written) if line.strip()), "")[-400:]


@contextmanager
def exclusive_lock(path: Path, otherwise: str) -> Iterator[None]:
    """Holds the lock at `path`. Raises DevstackError(otherwise) at once if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevstackError(otherwise) from None
        yield


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Holds the lock at `path`, waiting for a process that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
