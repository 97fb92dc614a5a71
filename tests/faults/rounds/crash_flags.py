"""Flags that ask a worker to kill itself at a named point, once each: files in a folder that both sides know."""

import os
import signal
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

FLAGS_FOLDER: Final = "CRASH_FLAGS"
"""The environment variable that names the folder."""


class CrashPoint(StrEnum):
    """Where a worker can be asked to die."""

    BEFORE_REQUEST = "before-request"
    """`charge.requested` is written and not committed."""
    BEFORE_CALL = "before-call"
    """`charge.requested` is committed, and the provider isn't called yet."""
    BEFORE_RESULT = "before-result"
    """The provider has charged, and no row says so."""
    IN_MESSAGE = "in-message"
    """The mail server has taken a message, and nothing says so."""
    IN_RELAY = "in-relay"
    """Temporal has taken one row of the relay's, and the next is due."""


class CrashFlags:
    """The flags in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def in_environment(cls, environment: Mapping[str, str]) -> "CrashFlags":
        """The flags that a worker with this environment obeys."""
        return cls(Path(environment[FLAGS_FOLDER]))

    def arm(self, point: CrashPoint) -> None:
        """Asks the first worker that comes to this point to die."""
        self._victim_file(point).unlink(missing_ok=True)
        self._flag(point).touch()

    def disarm(self, point: CrashPoint) -> None:
        """Takes the request back."""
        self._flag(point).unlink(missing_ok=True)

    def victim(self, point: CrashPoint) -> str | None:
        """What the worker that died at this point was working on; None as long as none has died."""
        file = self._victim_file(point)
        return file.read_text() if file.exists() else None

    def die_if_armed(self, point: CrashPoint, victim: str) -> None:
        """Kills this process by SIGKILL if the flag is set, which it then is no more."""
        try:
            self._flag(point).rename(self._folder / f"{point}.{os.getpid()}")
        except FileNotFoundError:
            return
        note = self._folder / f"{point}.{os.getpid()}"
        note.write_text(victim)
        note.rename(self._victim_file(point))
        os.kill(os.getpid(), signal.SIGKILL)

    def _flag(self, point: CrashPoint) -> Path:
        return self._folder / point

    def _victim_file(self, point: CrashPoint) -> Path:
        return self._folder / f"{point}.victim"
