"""Where anchors are kept: a file, or a bucket (`buckets.py`)."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.base import Value
from core.errors import InvalidInput, RecoveryError

EXTRA = "pip install 'payments-risk-intelligence[anchors]'"


class AnchorPlaceFailed(RecoveryError):
    """The place of the anchors, or the time stamping authority, can't be reached or refuses."""


class KeptLine(Value):
    """A line as its place keeps it."""

    line: str
    kept_at: datetime | None = None
    """When it was put there, by the clock of the place (UTC); None where only the file system says so."""
    faults: tuple[str, ...] = ()
    """What is wrong with how the place keeps it."""


class AnchorPlace(Protocol):
    """Keeps lines in the order in which they were appended. Raises AnchorPlaceFailed, InvalidInput."""

    def read_lines(self) -> list[KeptLine]:
        """All lines, oldest first."""

    def last_line(self) -> str | None:
        """The newest line; None if there is none."""

    def append(self, line: str, until: datetime, /) -> None:
        """Adds the line of an anchor that ends at `until`."""


class AnchorFile:
    """A file with one line per anchor. Raises InvalidInput if it can't be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_lines(self) -> list[KeptLine]:
        return [KeptLine(line=line) for line in self._attempt(self._read, "read")]

    def last_line(self) -> str | None:
        lines: list[str] = self._attempt(self._read, "read") if self._path.exists() else []
        return lines[-1] if lines else None

    def append(self, line: str, _until: datetime) -> None:
        self._attempt(lambda: self._write(f"{line}\n"), "written")

    def _read(self) -> list[str]:
        return self._path.read_text(encoding="utf-8").splitlines()

    def _write(self, text: str) -> None:
        with self._path.open("a", encoding="utf-8") as out:
            out.write(text)

    def _attempt(self, action: Callable[[], Any], what: str) -> Any:
        try:
            return action()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self._path} can't be {what}: {getattr(error, 'strerror', 'it is no text')}") from None
