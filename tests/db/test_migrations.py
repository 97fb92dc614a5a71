"""Migrations go up, down and up again, two migrators take turns, and the writer ends up with its rights only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, inspect, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from core.errors import CommandRefused, StoreUnavailable
from db import access_models, schema
from db.repositories import event_log
from db.session import Database
from devstack.postgres import WRITER
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, failed_event

TABLES = {
    "event_log", "recovery", "webhook_inbox", "api_key", "network_attempt", "contact", "message", "notice",
    "simulation", "approval", "admin_session", "operator_action", "recovery_figure", "recovery_change",
    "message_figure", "suppression", "signing_key",
}  # fmt: skip
Fresh = Callable[..., Addresses]


def psycopg_address(address: str) -> str:
    """The address as psycopg takes it."""
    return address.replace("+psycopg", "")


def object_names(address: str) -> set[str]:
    """The names of all our tables, partitions, indexes and functions."""
    with psycopg.connect(psycopg_address(address)) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic'"
            " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        return {row[0] for row in rows}


async def is_at_head(address: str) -> bool:
    database = Database(address)
    try:
        return await schema.is_at_head(database.engine)
    finally:
        await database.close()


OLD_AMOUNTS = {"UGX": (500_000, 5_000), "ISK": (27_950, 280), "MGA": (500, 50_000), "JPY": (500, 500)}


def test_migration_converts_amounts_in_stripes_own_units(fresh_database: Fresh) -> None:
    """Tables built from the log hold the same converted amounts as the log does when read."""
    database_addresses = fresh_database()
    schema.upgrade_schema(database_addresses.owner, WRITER)
    schema.downgrade_schema(database_addresses.owner, "0011")
    with psycopg.connect(psycopg_address(database_addresses.owner)) as connection:
        for currency, (old, _) in OLD_AMOUNTS.items():
            for provider in ("stripe", "adyen"):
                connection.execute(
                    "INSERT INTO recovery (recovery_id, provider, invoice_id, amount, currency, state, attempts_used,"
                    " attempt, opened_at, updated_at, sequence, opened_on, charge_ids)"
                    " VALUES (%s, %s, %s, %s, %s, 'waiting', 0, 0, now(), now(), 1, current_date, array[]::text[])",
                    (f"{provider}-{currency}", provider, currency, old, currency),
                )
    schema.upgrade_schema(database_addresses.owner, WRITER)
    with psycopg.connect(psycopg_address(database_addresses.owner)) as connection:
        amounts: dict[str, int] = dict(connection.execute("SELECT recovery_id, amount FROM recovery").fetchall())
    assert amounts == {
        f"{provider}-{currency}": new if provider == "stripe" else old
        for currency, (old, new) in OLD_AMOUNTS.items()
        for provider in ("stripe", "adyen")
    }


async def test_migrations_run_up_down_and_up_again(fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    assert not await is_at_head(database_addresses.owner)
    schema.upgrade_schema(database_addresses.owner, WRITER)
    first = object_names(database_addresses.owner)
    assert first >= TABLES
    assert await is_at_head(database_addresses.writer)
    schema.downgrade_schema(database_addresses.owner, "base")
    assert object_names(database_addresses.owner) == set()
    assert not await is_at_head(database_addresses.owner)
    schema.upgrade_schema(database_addresses.owner, WRITER)
    assert object_names(database_addresses.owner) == first
    assert await is_at_head(database_addresses.writer)


def test_each_step_goes_down_and_up(fresh_database: Fresh) -> None:
    owner = fresh_database().owner
    schema.upgrade_schema(owner, None)
    all_objects = object_names(owner)
    for revision in ("0011", "0010", "0009", "0008", "0007", "0006", "0005", "0004", "0003", "0002", "0001"):
        schema.downgrade_schema(owner, revision)
        schema.upgrade_schema(owner, None)
        assert object_names(owner) == all_objects


def test_migrators_take_turns(fresh_database: Fresh) -> None:
    owner = fresh_database().owner
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: schema.upgrade_schema(owner, WRITER), range(4)))
    assert object_names(owner) >= TABLES


async def test_a_log_with_rows_is_not_dropped_by_accident(fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    schema.upgrade_schema(database_addresses.owner, WRITER)
    database = Database(database_addresses.writer)
    async with database.begin() as session:
        await event_log.append_to_log(session, blank_recovery("in_kept"), [failed_event()], NOW)
    await database.close()
    with pytest.raises(CommandRefused):
        schema.downgrade_schema(database_addresses.owner, "base")
    assert object_names(database_addresses.owner) >= TABLES
    schema.downgrade_schema(database_addresses.owner, "base", discard=True)
    assert object_names(database_addresses.owner) == set()


async def test_models_match_the_migrated_schema(database: Database) -> None:
    async with database.engine.connect() as connection:
        for table in access_models.admin_session.metadata.sorted_tables:
            columns = await connection.run_sync(_column_types, table.name)
            assert columns == [(column.name, _type_name(column.type), column.nullable) for column in table.columns]


def _column_types(connection: Connection, table: str) -> list[tuple[str, str, bool]]:
    """Name, type and nullability of each column in the database."""
    return [
        (column["name"], _type_name(column["type"]), column["nullable"])
        for column in inspect(connection).get_columns(table)
    ]


def _type_name(kind: TypeEngine[Any]) -> str:
    return str(kind.compile(postgresql.dialect()))  # type: ignore[no-untyped-call]


def test_one_role_for_both_needs_no_grants(fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    schema.upgrade_schema(database_addresses.owner, make_url(database_addresses.owner).username)
    with psycopg.connect(psycopg_address(database_addresses.owner)) as connection:
        assert connection.execute("SELECT count(*) FROM event_log").fetchone() == (0,)


def test_later_migration_repairs_grants(fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    schema.upgrade_schema(database_addresses.owner, WRITER)
    with psycopg.connect(psycopg_address(database_addresses.owner), autocommit=True) as owner:
        owner.execute(f"GRANT ALL ON event_log TO {WRITER}")
    schema.upgrade_schema(database_addresses.owner, WRITER)
    with psycopg.connect(psycopg_address(database_addresses.writer)) as writer:
        rights = writer.execute(
            "SELECT string_agg(privilege_type, ',' ORDER BY privilege_type) FROM information_schema.role_table_grants"
            " WHERE table_name = 'event_log' AND grantee = current_user"
        ).fetchone()
    assert rights == ("INSERT,SELECT",)


def test_no_server_is_one_clear_error() -> None:
    with pytest.raises(StoreUnavailable):
        schema.upgrade_schema("postgresql://nobody@127.0.0.1:1/none", None)


async def test_readiness_without_a_server_is_one_clear_error() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(schema.is_at_head(database.engine), 5)
    await database.close()
