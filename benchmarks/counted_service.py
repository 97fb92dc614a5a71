"""`python -m benchmarks.counted_service api|worker`: the service, noting each statement and transaction in a file.

A line is the activity that made it, or `api`, and what it was. Checks of pooled connections aren't SQLAlchemy's, and
are not counted.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any, Final, TextIO

from sqlalchemy import Engine, event
from temporalio import activity

import worker
from api import main as api
from settings import read_environment

TALLY_VARIABLE: Final = "BENCHMARK_TALLY"
"""Names the file that every process appends to."""
PARTS: Final = {"api": api.main, "worker": worker.main}


def _user() -> str:
    with contextlib.suppress(RuntimeError):
        return activity.info().activity_type
    return "api"


def count_statements(tally: TextIO) -> None:
    """Notes what every engine of this process does from now on."""

    def note(what: str) -> None:
        tally.write(f"{_user()} {what}\n")

    def note_statement(*_: Any) -> None:
        note("statement")

    def note_transaction(*_: Any) -> None:
        note("transaction")

    event.listen(Engine, "before_cursor_execute", note_statement)
    event.listen(Engine, "begin", note_transaction)


if __name__ == "__main__":
    # Line by line: lines of two processes never mix, and none is lost with the process.
    with Path(read_environment()[TALLY_VARIABLE]).open("a", buffering=1) as tally:
        count_statements(tally)
        PARTS[sys.argv.pop(1)]()
