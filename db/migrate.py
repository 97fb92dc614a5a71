"""Brings a database to the shape this release expects, and tells whether it has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import Refused, StoreUnavailable
from db.failures import is_outage
from db.grants import grant
from db.session import driver_url

SCRIPTS: Final = Path(__file__).parent / "migrations"
TURN_TIMEOUT: Final = "60s"
"""How long one migrator waits for another."""
LOCK_TIMEOUT: Final = "5s"
"""How long a change waits for a table; it fails rather than queue up everybody behind it."""


def upgrade(owner_url: str, writer_role: str | None, revision: str = "head") -> None:
    """Up to `revision`, with the writer's rights put right. Raises StoreUnavailable."""
    with _alone(owner_url) as connection:
        command.upgrade(_config(connection), revision)
        if revision == "head":
            grant(connection, writer_role)
        connection.commit()


def downgrade(owner_url: str, revision: str, discard: bool = False) -> None:
    """Down to `revision`. Raises Refused where rows of the event log would go, unless told to `discard` them."""
    with _alone(owner_url) as connection:
        if revision == "base" and not discard and _holds_events(connection):
            raise Refused("event_log", "The event log holds rows; a downgrade to base would delete them.")
        command.downgrade(_config(connection), revision)
        connection.commit()


async def at_head(engine: AsyncEngine) -> bool:
    """Whether every migration of this release has run. Raises StoreUnavailable."""
    try:
        async with engine.connect() as connection:
            if not (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one():
                return False
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all()
    except Exception as error:
        if is_outage(error):
            raise StoreUnavailable("The database cannot be reached.") from error
        raise
    return list(found) == [head()]


@cache
def head() -> str:
    """The newest migration of this release."""
    return str(ScriptDirectory(str(SCRIPTS)).get_current_head())


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@contextmanager
def _alone(owner_url: str) -> Iterator[Connection]:
    """A connection of the owner that holds the migrators' lock until it closes."""
    engine = create_engine(driver_url(owner_url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            yield connection
    except DBAPIError as error:
        if is_outage(error):
            raise StoreUnavailable(f"The database cannot be migrated now: {error.orig}") from error
        raise
    finally:
        engine.dispose()


def _take_turn(connection: Connection) -> None:
    """The lock belongs to the connection, so it outlives the transaction of each migration."""
    connection.execute(text(f"SET lock_timeout = '{TURN_TIMEOUT}'"))
    connection.execute(text("SELECT pg_advisory_lock(hashtextextended('pri migrate', 0))"))
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()


def _holds_events(connection: Connection) -> bool:
    there = connection.execute(text("SELECT to_regclass('event_log')")).scalar_one()
    held = bool(there) and bool(connection.execute(text("SELECT EXISTS (SELECT FROM event_log)")).scalar_one())
    connection.rollback()
    return held
