"""Access to PostgreSQL: one `Database` per process, one transaction per `begin`, committed by whoever opened it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.address import parse_address
from db.connections import CONNECT_SECONDS, Connector, is_behind_pooler, watch_connections
from db.errors import translate_error

Session = AsyncConnection
"""An open transaction. SQLAlchemy Core without an ORM: what is read is what is stored."""

DRIVER: Final = "postgresql+psycopg://"
IDLE_SECONDS: Final = 30
"""A process that is idle inside a transaction for so long loses it, and with it its locks."""

POOL_SIZE: Final = 20
"""Connections that a process keeps at most, each a process of PostgreSQL."""

GENERIC_PLANS: Final = {"plan_cache_mode": "force_generic_plan"}


class Database:
    """A pool of connections. Connects at the first use, not here.

    Raises InvalidInput for an address that can't be parsed. `statement_timeout` holds for each statement.
    `generic_plans` is for processes that run the same few statements again and again: each is planned once per
    connection. Lists and searches with optional filters need a plan for their values.
    """

    def __init__(
        self,
        address: str,
        statement_timeout: timedelta = timedelta(seconds=5),
        pool_size: int = POOL_SIZE,
        *,
        generic_plans: bool = False,
    ) -> None:
        defaults = _session_defaults(statement_timeout) | (GENERIC_PLANS if generic_plans else {})
        connector = Connector(parse_address(address), defaults, {"timezone": "UTC"})
        self.engine: AsyncEngine = create_async_engine(
            DRIVER,
            async_creator=connector.connect,
            pool_size=pool_size,
            # None beyond them: those would be closed after each use, and made anew for the next.
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
        )
        watch_connections(self.engine.sync_engine, connector.settings)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """One transaction: committed at the end of the block, rolled back by any error.

        Raises StoreUnavailable where the database can't be reached, is read-only or lacks a migration (after a lost
        COMMIT the rows may be written all the same: repeat only what is idempotent), and InvalidInput for a value that
        PostgreSQL can't hold. Other errors pass unchanged.
        """
        with _translated_errors():
            async with self.engine.begin() as session:
                yield session

    @asynccontextmanager
    async def begin_statement(self) -> AsyncIterator[Session]:
        """As `begin`, for one single statement, which is a transaction by itself: one round trip instead of three.

        Each statement is committed when it returns: a second one would be a transaction of its own.
        """
        with _translated_errors():
            async with self.engine.connect() as session:
                # Behind a pooler the session's settings need a transaction around the statement.
                if not is_behind_pooler(session):
                    await session.execution_options(isolation_level="AUTOCOMMIT")
                async with session.begin():
                    yield session

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if ours := translate_error(error):
            raise ours from error
        raise


def _session_defaults(statement_timeout: timedelta) -> dict[str, str]:
    """Time limits of each session, in milliseconds; an address may set others in its `options`."""
    return {
        "statement_timeout": str(int(statement_timeout.total_seconds() * 1000)),
        "idle_in_transaction_session_timeout": str(IDLE_SECONDS * 1000),
    }
