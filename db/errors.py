"""Translates database errors to those of `core.errors`: an outage, a missing migration, a value that does not fit."""

import re
from typing import Final

import psycopg
from sqlalchemy import exc

from core.errors import InvalidInput, RecoveryError, StoreUnavailable

READ_ONLY: Final = "25006"
"""SQLSTATE of a write on a standby, on a demoted primary, or under default_transaction_read_only."""
_ADVICE: Final = re.compile("|Is the server running .*")
_BEFORE: Final = re.compile(r"^.*?connection (failed|is bad): ")
_LOST: Final = ("08", "57P", READ_ONLY)
"""SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html) after which a connection is unusable:
connection exceptions, a server that shuts down, a read-only server.
"""
_UNFIT: Final = ("42P01", "42501", "42883", "3F000")
"""SQLSTATEs of a database that was not migrated for this release: no such table, function or schema, no privilege."""


def is_connection_lost(error: BaseException) -> bool:
    """Whether the pool must drop this connection and every one that it made earlier: after a failover all are stale."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_LOST)


def is_outage(error: BaseException) -> bool:
    """Whether the database can't be used now: no connection, no free one, shutting down, too slow, read-only."""
    if isinstance(error, exc.DBAPIError) and (error.connection_invalidated or _sqlstate(error).startswith(READ_ONLY)):
        return True
    return isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError | psycopg.OperationalError)


def translate_error(error: Exception) -> RecoveryError | None:
    """StoreUnavailable for an outage or a missing migration, InvalidInput for a value that PostgreSQL can't hold.

    None for everything else, so that a bug surfaces as the error it is.
    """
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
    """The message of the server or of the failed connection, on one line.

    Without the statement and its values, which may be personal data: the text goes into logs and answers.
    """
    if isinstance(error, exc.TimeoutError):
        return "no connection of the pool became free in time"
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    primary = original.diag.message_primary if isinstance(original, psycopg.Error) else None
    return " ".join((primary or _without_advice(str(original))).split()) or type(original).__name__


def _without_advice(text: str) -> str:
    """Each failed attempt once: with several hosts, psycopg reports the last failure first and then lists all."""
    attempts = text.partition("All failures were:")[2] or text
    told = (_BEFORE.sub("", line).strip() for line in attempts.splitlines())
    return "; ".join(dict.fromkeys(line for line in told if not _ADVICE.fullmatch(line)))


def _sqlstate(error: exc.DBAPIError) -> str:
    return (error.orig.sqlstate or "") if isinstance(error.orig, psycopg.Error) else ""
