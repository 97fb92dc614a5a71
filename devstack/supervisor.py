"""Keeps programs running: records their identity, restarts one that ends, and stops all in reverse order."""

import json
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.formatting import format_duration
from devstack.errors import DevstackError
from devstack.processes import Child, Identity, Program, end_process, last_log_line, spawn, wait_until

FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS = 0.5, 10.0, 30.0
LEFT_OVER_GRACE_SECONDS = 8.0


@dataclass
class _ChildEntry:
    """One program. `due`: when a dead one is restarted, None while it should run; `once`: it may end by itself."""

    child: Child
    since: float
    once: bool = False
    deaths: int = 0
    due: float | None = None


class Supervisor:
    """Owns its children until `close`. Notes in `run_dir` let the next start find children that a crash left."""

    def __init__(self, run_dir: Path, report: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._report = report
        self._entries: dict[str, _ChildEntry] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch_children, name="supervisor", daemon=True)

    def end_left_overs(self) -> None:
        """Ends children that an earlier supervisor of this folder left running, last started first, and no others."""
        self._run_dir.mkdir(parents=True, exist_ok=True)
        for note in sorted(self._run_dir.glob("*.json"), key=lambda path: -path.stat().st_mtime):
            identity = _read_identity(note)
            if identity:
                first = signal.SIGINT if note.stem == "postgres" else signal.SIGTERM
                end_process(identity, first, LEFT_OVER_GRACE_SECONDS)
            note.unlink(missing_ok=True)

    def start(self, program: Program, *, once: bool = False) -> Child:
        """Starts a program under its name; `once`: it is expected to end by itself.

        Raises DevstackError if it can't be started, or if the supervisor is closing.
        """
        with self._lock:
            child = self._spawn(program)
            self._entries[program.name] = _ChildEntry(child, time.monotonic(), once)
            return child

    def _spawn(self, program: Program) -> Child:
        if self._closing.is_set():
            raise DevstackError("the stack is ending")
        child = spawn(program)
        note = self._note_path(program.name)
        note.write_text(json.dumps(asdict(child.identity)))
        note.chmod(0o600)
        return child

    def _note_path(self, name: str) -> Path:
        return self._run_dir / f"{name}.json"

    def run_to_end(self, program: Program, seconds: float, stopping: Callable[[], bool]) -> None:
        """Runs a program to its end. Raises DevstackError with its last log line if it fails or takes longer than
        `seconds`, and StackInterrupted on `stopping`."""
        child = self.start(program, once=True)
        try:
            finished = wait_until(lambda: child.exit_code() is not None, seconds, stopping)
        finally:
            self.stop(program.name)
        if not finished or child.exit_code() != 0:
            why = describe_exit(child.exit_code()) if finished else f"took more than {format_duration(seconds)}"
            raise DevstackError(f"{program.name} {why}: {last_log_line(program.log)} (log: {program.log})")

    def watch(self) -> None:
        """From now on a child that ends is reported and started again."""
        self._watcher.start()

    @property
    def is_watching(self) -> bool:
        """Whether children that end are restarted."""
        return self._watcher.is_alive()

    def check_children(self) -> None:
        """Raises DevstackError if a child that should run has ended; for the time before `watch`."""
        with self._lock:
            for entry in self._entries.values():
                code, program = entry.child.exit_code(), entry.child.program
                if code is not None and not entry.once:
                    raise DevstackError(
                        f"{program.name} {describe_exit(code)}: {last_log_line(program.log)} (log: {program.log})"
                    )

    def all_alive(self) -> bool:
        """Whether no child has ended or waits to be restarted."""
        with self._lock:
            return all(entry.child.exit_code() is None for entry in self._entries.values() if not entry.once)

    def _watch_children(self) -> None:
        while not self._closing.wait(0.1):
            with self._lock:
                for entry in list(self._entries.values()):
                    self._check_entry(entry)
        # This thread restarted children, and Linux sends their death signal when the thread that started them ends.
        self._ended.wait()

    def _check_entry(self, entry: _ChildEntry) -> None:
        now = time.monotonic()
        if entry.once or self._closing.is_set():
            return
        if entry.due is None and entry.child.exit_code() is not None:
            self._schedule_restart(entry, now)
        elif entry.due is not None and now >= entry.due:
            self._start_again(entry, now)

    def _schedule_restart(self, entry: _ChildEntry, now: float) -> None:
        entry.child.stop()  # ends what remains of its process group
        entry.deaths = 1 if now - entry.since > STEADY_SECONDS else entry.deaths + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (entry.deaths - 1))
        entry.due = now + delay
        program, code = entry.child.program, entry.child.exit_code()
        self._report(f"{program.name} {describe_exit(code)}; starting it again in {delay:g} s (log: {program.log})")

    def _start_again(self, entry: _ChildEntry, now: float) -> None:
        try:
            entry.child, entry.since, entry.due = self._spawn(entry.child.program), now, None
        except (DevstackError, OSError) as error:
            entry.due = now + LONGEST_DELAY
            self._report(str(error))

    def child(self, name: str) -> Child:
        """The process that runs, or ran last, under this name. Raises KeyError for an unknown name."""
        with self._lock:
            return self._entries[name].child

    def kill(self, name: str) -> None:
        """Kills a child by SIGKILL, as a crash would; the watcher restarts it. Raises KeyError for an unknown name."""
        self.child(name).kill()

    def stop(self, name: str) -> None:
        """Ends a child by its stop signal; it stays stopped until `start`."""
        # Taken out first, so that the watcher doesn't see it end and restart it.
        with self._lock:
            entry = self._entries.pop(name, None)
        if entry:
            entry.child.stop()
            self._note_path(name).unlink(missing_ok=True)

    def restart(self, name: str) -> Child:
        """Ends a child by its stop signal and starts it again. Raises KeyError, and DevstackError as `start` does."""
        program = self.child(name).program
        self.stop(name)
        return self.start(program)

    def close(self) -> None:
        """Ends every child, the last started first; none is restarted."""
        self._closing.set()
        with self._lock:
            names = list(reversed(self._entries))
        for name in names:
            self.stop(name)
        self._ended.set()
        if self.is_watching:
            self._watcher.join()


def describe_exit(code: int | None) -> str:
    """An exit code as text; for a negative one, the name of the signal."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _read_identity(note: Path) -> Identity | None:
    try:
        found = json.loads(note.read_text())
        return Identity(int(found["pid"]), str(found["started"]), tuple(found["argv"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
