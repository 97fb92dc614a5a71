"""The way to PostgreSQL: one `Database` per process, one transaction per `begin`, committed by whoever opened it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import InvalidInput
from db.failures import translated

Session = AsyncConnection
"""An open transaction. Plain Core, no identity map: what is read is what is stored."""

CONNECT_SECONDS: Final = 2
"""The least that libpq takes; also the wait for a free connection of the pool."""
IDLE_SECONDS: Final = 30
"""A worker that hangs inside a transaction loses it, and with it its locks."""


def driver_url(address: str) -> URL:
    """The address with our driver in it, however it was spelled. Raises InvalidInput."""
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise InvalidInput("DATABASE_URL is not an address like postgresql://user@host/name.") from error
    if url.drivername.partition("+")[0] not in {"postgres", "postgresql"}:
        raise InvalidInput("DATABASE_URL must begin with postgresql://.")
    return url.set(drivername="postgresql+psycopg")


def role_of(address: str) -> str | None:
    """The role that the address logs in as; None where it names none."""
    return driver_url(address).username


class Database:
    """A pool of connections. All failures to reach the server surface as StoreUnavailable."""

    def __init__(
        self,
        address: str,
        statement_timeout: timedelta = timedelta(seconds=5),
        pool_size: int = 10,
        max_overflow: int = 10,
    ) -> None:
        self.engine: AsyncEngine = create_async_engine(
            driver_url(address),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=CONNECT_SECONDS,
            pool_pre_ping=True,
            connect_args=_connect_args(statement_timeout),
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """One transaction: committed at the end of the block, rolled back by any error.

        Raises StoreUnavailable (after a lost COMMIT it may still have been written: repeat what is idempotent) and
        InvalidInput for a value that PostgreSQL can't hold.
        """
        try:
            async with self.engine.begin() as session:
                yield session
        except Exception as error:
            if ours := translated(error):
                raise ours from error
            raise

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


def _connect_args(statement_timeout: timedelta) -> dict[str, Any]:
    """What libpq is told. The TCP settings find a server that vanished without a word."""
    milliseconds = int(statement_timeout.total_seconds() * 1000)
    settings = {
        "timezone": "UTC",
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": IDLE_SECONDS * 1000,
    }
    return {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "pri",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
