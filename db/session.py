"""The way to PostgreSQL: one `Database` per process, one transaction per `begin`, committed by whoever opened it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.address import parse_address
from db.connections import CONNECT_SECONDS, Connector, watch_connections
from db.errors import translate_error

Session = AsyncConnection
"""An open transaction. Plain Core, no identity map: what is read is what is stored."""

DRIVER: Final = "postgresql+psycopg://"
IDLE_SECONDS: Final = 30
"""A worker that hangs inside a transaction loses it, and with it its locks."""


class Database:
    """A pool of connections. All failures to reach the server surface as StoreUnavailable.

    Raises InvalidInput for an address that is none.
    """

    def __init__(
        self,
        address: str,
        statement_timeout: timedelta = timedelta(seconds=5),
        pool_size: int = 10,
        max_overflow: int = 10,
    ) -> None:
        connector = Connector(parse_address(address), _session_defaults(statement_timeout), {"timezone": "UTC"})
        self.engine: AsyncEngine = create_async_engine(
            DRIVER,
            async_creator=connector.connect,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=CONNECT_SECONDS,
        )
        watch_connections(self.engine.sync_engine, connector.settings)

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
            if ours := translate_error(error):
                raise ours from error
            raise

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


def _session_defaults(statement_timeout: timedelta) -> dict[str, str]:
    """Limits of each session; an address may set others in its `options`."""
    return {
        "statement_timeout": str(int(statement_timeout.total_seconds() * 1000)),
        "idle_in_transaction_session_timeout": str(IDLE_SECONDS * 1000),
    }
