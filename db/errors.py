"""Which of the database's complaints mean that it is away, which that a value doesn't fit, and what it says itself."""

import re
from typing import Final

import psycopg
from sqlalchemy import exc

from core.errors import InvalidInput, RecoveryError, StoreUnavailable

READ_ONLY: Final = "25006"
"""A standby, a primary that became one, or default_transaction_read_only."""
_ADVICE: Final = re.compile("|Is the server running .*")
_BEFORE: Final = re.compile(r"^.*?connection (failed|is bad): ")
_LOST: Final = ("08", "57P", READ_ONLY)
"""By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html): the connection is of no more use."""
_UNFIT: Final = ("42P01", "42501", "3F000")
"""No such table, no right to it, no such schema: the database isn't made for this release."""


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection should go, and all that were made before with it."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_LOST)


def is_outage(error: BaseException) -> bool:
    """Whether the database can't be used now: no connection, no free one, shutting down, too slow, read-only."""
    if isinstance(error, exc.DBAPIError) and (error.connection_invalidated or _sqlstate(error).startswith(READ_ONLY)):
        return True
    return isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError | psycopg.OperationalError)


def translate_error(error: Exception) -> RecoveryError | None:
    """The error of ours that says the same; None where a bug must stay visible as it is."""
    if is_outage(error):
        return StoreUnavailable(f"The database cannot be used now: {server_message(error)}")
    if isinstance(error, exc.DBAPIError) and _sqlstate(error) in _UNFIT:
        return StoreUnavailable(
            f"The database is not ready for this release, run `pri migrate`: {server_message(error)}"
        )
    if isinstance(error, exc.DataError | UnicodeEncodeError):
        return InvalidInput("A value does not fit into the database.")
    return None


def server_message(error: BaseException) -> str:
    """The server's own message, or that of the way to it, on one line; nothing of the statement and its values."""
    if isinstance(error, exc.TimeoutError):
        return "no connection of the pool became free in time"
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    primary = original.diag.message_primary if isinstance(original, psycopg.Error) else None
    return " ".join((primary or _without_advice(str(original))).split()) or type(original).__name__


def _without_advice(text: str) -> str:
    """Each failed attempt once: of several hosts psycopg tells the last one first and then all."""
    attempts = text.partition("All failures were:")[2] or text
    told = (_BEFORE.sub("", line).strip() for line in attempts.splitlines())
    return "; ".join(dict.fromkeys(line for line in told if not _ADVICE.fullmatch(line)))


def _sqlstate(error: exc.DBAPIError) -> str:
    return (error.orig.sqlstate or "") if isinstance(error.orig, psycopg.Error) else ""
