"""Progress output for a person at a terminal; all of it on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.formatting import format_duration
from devstack.errors import DevstackError

QUIET_SECONDS = 10.0


def print_status(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"pri: {text}\n")
    sys.stderr.flush()


def print_path(find: Callable[[], Path]) -> int:
    """Prints the path on stdout and returns 0, or prints a DevstackError on stderr and returns 1: an exit code."""
    try:
        sys.stdout.write(f"{find()}\n")
    except DevstackError as error:
        print_status(str(error))
        return 1
    return 0


@dataclass
class Progress:
    """A progress line: redrawn on a terminal, printed as a new line every QUIET_SECONDS elsewhere."""

    text: str
    terminal: bool
    began: float = field(default_factory=time.monotonic)
    drawn: float = field(default_factory=time.monotonic)

    def tick(self, detail: str = "") -> None:
        """Draws the line if it is due; to be called several times a second."""
        now = time.monotonic()
        if now - self.drawn >= (1.0 if self.terminal else QUIET_SECONDS):
            self.drawn = now
            self._draw_line(f"pri: {self.text} ({format_duration(now - self.began)}) {detail}".rstrip())

    def _draw_line(self, line: str) -> None:
        sys.stderr.write(f"\r\033[K{line[:120]}" if self.terminal else f"{line}\n")
        sys.stderr.flush()


@contextmanager
def show_progress(text: str) -> Iterator[Progress]:
    """Prints what begins, yields the progress line, and clears it at the end."""
    print_status(f"{text} ...")
    line = Progress(text, sys.stderr.isatty())
    try:
        yield line
    finally:
        if line.terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
