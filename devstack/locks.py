"""Locks between processes that the system gives back whatever becomes of their owner."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import DevstackError


@contextmanager
def exclusive_lock(path: Path, otherwise: str) -> Iterator[None]:
    """Holds the lock at `path` or raises DevstackError(otherwise) at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevstackError(otherwise) from None
        yield


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Holds the lock at `path`, waiting for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
