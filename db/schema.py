"""Migrations and the writer's privileges, which every `pri migrate` sets anew: the log can be appended to and read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import CommandRefused, StoreUnavailable
from db.address import parse_address
from db.connections import Connector, apply_settings
from db.errors import server_message, translate_error
from db.privileges import grant_statements
from db.session import DRIVER, Session


def grant_writer_rights(connection: Connection, writer: str | None) -> None:
    """Grants the writer's role exactly the privileges it needs and revokes all others.

    Without effect where `writer` is None or the owner itself.
    """
    if writer is None or writer == connection.exec_driver_sql("SELECT current_user").scalar_one():
        return
    _open_schema(connection, writer)
    for statement in grant_statements():
        _run_for_role(connection, statement, writer)


def _open_schema(connection: Connection, writer: str) -> None:
    """Grants USAGE on a schema other than `public` (chosen by the address's search_path): only its owner has it."""
    query = "SELECT current_schema(), has_schema_privilege(%s, current_schema(), 'USAGE')"
    schema, usable = connection.exec_driver_sql(query, (writer,)).one()
    if not usable:
        statement = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), sql.Identifier(writer))
        connection.exec_driver_sql(statement.as_string(None))


def _run_for_role(connection: Connection, statement: str, role: str) -> None:
    """A role's name can't be a parameter, so it is quoted as an identifier."""
    quoted = sql.SQL(statement).format(sql.Identifier(role))
    connection.exec_driver_sql(quoted.as_string(None))


SCRIPTS: Final = Path(__file__).parent / "migrations"
LOCK_WAIT_SECONDS: Final = 60
"""How long one `pri migrate` waits for another."""
LOCK_TIMEOUT: Final = "5s"
"""How long a migration waits for a table. It fails rather than block every query that queues behind it."""


def upgrade_schema(owner_url: str, writer_role: str | None, revision: str = "head") -> None:
    """Migrates up to `revision`; at `head` it also sets the writer's privileges.

    Raises StoreUnavailable if the database can't be reached, a migration fails, or another `pri migrate` runs for more
    than 60 s; InvalidInput for an address that is none.
    """
    with _exclusive_connection(owner_url) as connection:
        command.upgrade(_alembic_config(connection), revision)
        if revision == "head":
            grant_writer_rights(connection, writer_role)
        connection.commit()


def downgrade_schema(owner_url: str, revision: str, discard: bool = False) -> None:
    """Migrates down to `revision`. Raises as `upgrade_schema`.

    Raises CommandRefused where rows of the event log would be deleted, unless `discard` allows that.
    """
    with _exclusive_connection(owner_url) as connection:
        if revision == "base" and not discard and _holds_events(connection):
            raise CommandRefused("event_log", "The event log holds rows; a downgrade to base would delete them.")
        command.downgrade(_alembic_config(connection), revision)
        connection.commit()


async def is_at_head(engine: AsyncEngine) -> bool:
    """Whether the database is at the newest migration of this release. Raises StoreUnavailable."""
    try:
        async with engine.connect() as connection:
            if not (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one():
                return False
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all()
    except Exception as error:
        if ours := translate_error(error):
            raise ours from error
        raise
    return list(found) == [head_revision()]


@cache
def head_revision() -> str:
    """The revision id of this release's newest migration."""
    return str(ScriptDirectory(str(SCRIPTS)).get_current_head())


def _alembic_config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@contextmanager
def _exclusive_connection(owner_url: str) -> Iterator[Connection]:
    """A connection of the owner to migrate over, while a second one holds the lock that excludes other migrations."""
    engine = _owner_engine(owner_url)
    try:
        with engine.connect() as turn, engine.connect() as connection:
            _take_migration_lock(turn)
            yield connection
    except DBAPIError as error:
        raise StoreUnavailable(f"The database cannot be migrated now: {server_message(error)}") from error
    finally:
        engine.dispose()


def _owner_engine(owner_url: str) -> Engine:
    connector = Connector(parse_address(owner_url), {"lock_timeout": LOCK_TIMEOUT}, {})
    engine = create_engine(DRIVER, creator=connector.connect_waiting, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: apply_settings(connection, connector.settings))
    return engine


def _take_migration_lock(turn: Connection) -> None:
    """Takes the lock that excludes other migrations; raises StoreUnavailable after LOCK_WAIT_SECONDS.

    It is a transaction's lock, in a transaction that stays open for all migrations and does nothing else: behind a
    pooler, a session's lock would stay with a server connection that another client gets next.
    """
    # Polled with a rollback in between, so that whoever waits occupies no connection of the pooler: otherwise none
    # might be left for the one that migrates.
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while time.monotonic() < deadline:
        apply_settings(turn, {"idle_in_transaction_session_timeout": "0"})
        if turn.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended('pri migrate', 0))")).scalar_one():
            return
        turn.rollback()
        time.sleep(0.2)
    raise StoreUnavailable("Another `pri migrate` is at work on this database.")


def _holds_events(connection: Connection) -> bool:
    there = connection.execute(text("SELECT to_regclass('event_log')")).scalar_one()
    held = bool(there) and bool(connection.execute(text("SELECT EXISTS (SELECT FROM event_log)")).scalar_one())
    connection.rollback()
    return held


_SERVER_STATE: Final = text(
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, current_user::text"
)
_MAY_WRITE: Final = text(
    "SELECT to_regclass('webhook_inbox') IS NULL OR to_regclass('event_log') IS NULL"
    " OR (has_table_privilege('webhook_inbox', 'INSERT') AND has_table_privilege('event_log', 'INSERT'))"
)


async def find_write_obstacle(session: Session) -> str | None:
    """Why rows can't be written (standby, read-only, no privilege) as a sentence; None if they can.

    Missing tables are no obstacle here: `is_at_head` reports them.
    """
    standby, read_only, role = (await session.execute(_SERVER_STATE)).one()
    if standby:
        return "the server is a standby in recovery: it can be read, not written"
    if read_only:
        return "transactions are read-only (default_transaction_read_only): nothing can be written"
    if not (await session.execute(_MAY_WRITE)).scalar_one():
        return f"the role {role} may not write: run `pri migrate`"
    return None
