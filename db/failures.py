"""Which of the database's complaints mean that it is away, and which that a value doesn't fit."""

from sqlalchemy import exc

from core.errors import InvalidInput, RecoveryError, StoreUnavailable


def is_outage(error: BaseException) -> bool:
    """Whether the database can't be used now: no connection, no free one, shutting down, too slow, read-only."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, exc.InternalError):
        return getattr(error.orig, "sqlstate", None) == "25006"  # read-only: a replica after a failover
    return isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError)


def translated(error: Exception) -> RecoveryError | None:
    """The error of ours that says the same; None where a bug must stay visible as it is."""
    if is_outage(error):
        return StoreUnavailable("The database cannot be reached or does not answer in time.")
    if isinstance(error, exc.DataError | UnicodeEncodeError):
        return InvalidInput("A value does not fit into the database.")
    return None
