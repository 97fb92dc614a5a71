"""The log is append-only: nobody may change or remove rows, by whatever name of the table."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from db import partitions
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, failed_event

CHANGES = ("UPDATE {} SET type = 'forged'", "DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE",
           "UPDATE {} SET type = 'x' WHERE false", "DELETE FROM {} WHERE false")  # fmt: skip
Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
async def filled(database: Database) -> str:
    """The name of a partition that holds a row."""
    async with database.begin() as session:
        await event_log.append_to_log(session, blank_recovery("in_1"), [failed_event()], NOW)
    return "event_log_2026_09"


def open_connection(address: str) -> Iterator[Connection]:
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(addresses: Addresses) -> Iterator[Connection]:
    yield from open_connection(addresses.owner)


@pytest.fixture
def superuser(addresses: Addresses) -> Iterator[Connection]:
    yield from open_connection(addresses.superuser)


@pytest.fixture
def writer(addresses: Addresses) -> Iterator[Connection]:
    yield from open_connection(addresses.writer)


def run_statement(connection: Connection, statement: str) -> list[Any]:
    result = connection.execute(statement)
    return result.fetchall() if result.description else []


def log_tables(connection: Connection) -> list[str]:
    """The log and every partition of it."""
    return [row[0] for row in run_statement(connection, "SELECT relid::text FROM pg_partition_tree('event_log')")]


@pytest.mark.parametrize("change", CHANGES)
def test_append_only_triggers_refuse_owner_and_superuser(
    owner: Connection, superuser: Connection, filled: str, change: str
) -> None:
    assert filled in log_tables(owner)
    for connection in (owner, superuser):
        for table in log_tables(owner):
            with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                run_statement(connection, change.format(table))


@pytest.mark.parametrize("change", CHANGES)
def test_writer_role_lacks_the_permission(writer: Connection, owner: Connection, filled: str, change: str) -> None:
    assert filled in log_tables(owner)
    for table in log_tables(owner):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run_statement(writer, change.format(table))


def test_upsert_is_refused_as_a_change(owner: Connection, filled: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        run_statement(
            owner,
            f"INSERT INTO event_log SELECT * FROM {filled} ON CONFLICT (opened_on, recovery_id, sequence)"
            " DO UPDATE SET type = 'forged'",
        )


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE event_log DISABLE TRIGGER ALL",
        "DROP TABLE event_log",
        "DROP FUNCTION refuse_event_log_change() CASCADE",
        "CREATE OR REPLACE FUNCTION refuse_event_log_change() RETURNS trigger LANGUAGE plpgsql AS ''",
        "CREATE TRIGGER mine BEFORE INSERT ON event_log EXECUTE FUNCTION refuse_event_log_change()",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = 'x'",
        "TRUNCATE recovery",
    ],
)
def test_writer_role_cannot_drop_the_triggers(writer: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run_statement(writer, statement)


def test_the_writer_does_its_work_on_the_other_tables(writer: Connection) -> None:
    for table, column in (("recovery", "state"), ("webhook_inbox", "outcome"), ("api_key", "revoked_at")):
        run_statement(writer, f"UPDATE {table} SET {column} = {column} WHERE false")
        run_statement(writer, f"SELECT * FROM {table} LIMIT 1")


def test_a_search_path_cannot_trick_the_partition_function(writer: Connection) -> None:
    run_statement(writer, "CREATE TEMP TABLE pg_class (relname text)")
    run_statement(writer, "SET search_path = pg_temp, public")
    assert run_statement(writer, "SELECT public.ensure_event_log_partition('2031-05-17')") == [(True,)]
    assert run_statement(writer, "SELECT public.ensure_event_log_partition('2031-05-01')") == [(False,)]


async def test_a_months_partition_is_created_once_and_guarded(database: Database, owner: Connection) -> None:
    async with database.begin() as session:
        assert await partitions.ensure_month_partition(session, date(2040, 12, 31))
        assert not await partitions.ensure_month_partition(session, date(2040, 12, 1))
        assert await partitions.ensure_month_partition(session, date(2041, 1, 1))
    assert {"event_log_2040_12", "event_log_2041_01"} <= set(log_tables(owner))
    with pytest.raises(psycopg.errors.RestrictViolation):
        run_statement(owner, "TRUNCATE event_log_2041_01")


def test_a_new_partition_has_the_indexes_and_guards_of_the_first(owner: Connection, writer: Connection) -> None:
    run_statement(writer, "SELECT ensure_event_log_partition('2050-01-01')")
    query = """SELECT (SELECT count(*) FROM pg_index WHERE indrelid = t.relid),
                      (SELECT count(*) FROM pg_trigger WHERE tgrelid = t.relid),
                      (SELECT count(*) FROM pg_constraint WHERE conrelid = t.relid),
                      pg_get_userbyid((SELECT relowner FROM pg_class WHERE oid = t.relid))
               FROM pg_partition_tree('event_log') t WHERE isleaf"""
    assert len(set(run_statement(owner, query))) == 1


def test_one_row_is_read_from_one_partition(writer: Connection) -> None:
    plan = str(run_statement(writer, "EXPLAIN (COSTS off) SELECT 1 FROM event_log WHERE opened_on = '2026-09-01'"
                           " AND recovery_id = 'x'"))  # fmt: skip
    assert "event_log_2026_09" in plan
    assert "event_log_2026_10" not in plan
