"""Failures to reach the database surface quickly and as one error type."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import exc, text

from core.errors import InvalidInput, StoreUnavailable
from db.connections import CHECK_SECONDS
from db.session import Database, Session
from tests.db.conftest import Addresses


async def run_query(database: Database, question: str = "SELECT 1") -> object:
    async with database.begin() as session:
        return (await session.execute(text(question))).scalar_one_or_none()


async def seconds_to_outage(address: str) -> float:
    """The seconds until StoreUnavailable is raised."""
    database, began = Database(address), time.monotonic()
    with pytest.raises(StoreUnavailable):
        await run_query(database)
    await database.close()
    return time.monotonic() - began


@pytest.fixture
async def own_database(addresses: Addresses) -> AsyncIterator[Database]:
    database = Database(addresses.writer, statement_timeout=timedelta(seconds=1), pool_size=1)
    yield database
    await database.close()


@pytest.mark.parametrize("address", ["postgresql://a@127.0.0.1:1/b", "postgresql://a@/b?host=/nowhere"])
@pytest.mark.quiet
async def test_missing_server_is_reported_at_once(address: str) -> None:
    assert await seconds_to_outage(address) < 1.5


@pytest.mark.quiet
async def test_unresponsive_server_times_out_in_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await seconds_to_outage(f"postgresql://a@127.0.0.1:{silent.getsockname()[1]}/b") < 4


async def test_a_killed_connection_is_an_outage_and_the_next_one_works(
    own_database: Database, addresses: Addresses
) -> None:
    async def kill_connection() -> None:
        async with own_database.begin() as session:
            pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            with psycopg.connect(addresses.superuser.replace("+psycopg", ""), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
            await session.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        await kill_connection()
    assert await run_query(own_database) == 1


async def kill_idle_connection(database: Database, addresses: Addresses) -> None:
    """Ends the only connection of the pool, behind its back."""
    pid = await run_query(database, "SELECT pg_backend_pid()")
    with psycopg.connect(addresses.superuser.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])


async def test_a_connection_that_died_while_unused_is_replaced(own_database: Database, addresses: Addresses) -> None:
    await kill_idle_connection(own_database, addresses)
    await asyncio.sleep(CHECK_SECONDS)
    assert await run_query(own_database) == 1


async def test_a_connection_that_died_just_after_its_check_costs_one_transaction(
    own_database: Database, addresses: Addresses
) -> None:
    await kill_idle_connection(own_database, addresses)
    with pytest.raises(StoreUnavailable):
        await run_query(own_database)
    assert await run_query(own_database) == 1


async def test_a_connection_is_not_checked_again_within_a_second(own_database: Database) -> None:
    statements: list[str] = []
    await run_query(own_database)
    async with own_database.begin() as session:
        driver = (await session.get_raw_connection()).driver_connection
    assert driver is not None
    execute = driver.execute

    async def record_statement(statement: str, *more: object) -> object:
        statements.append(statement)
        return await execute(statement, *more)

    driver.execute = record_statement
    await run_query(own_database)
    assert statements == []
    await asyncio.sleep(CHECK_SECONDS)
    await run_query(own_database)
    assert statements == ["SHOW transaction_read_only"]


@pytest.mark.quiet
async def test_a_full_pool_and_a_slow_statement_are_outages(own_database: Database) -> None:
    slow = asyncio.create_task(run_query(own_database, "SELECT pg_sleep(30)"))
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await slow
    assert time.monotonic() - began < 2.5
    async with own_database.begin():
        with pytest.raises(StoreUnavailable):
            await run_query(own_database)


async def test_programming_errors_stay_visible_and_invalid_values_are_named(own_database: Database) -> None:
    with pytest.raises(exc.ProgrammingError):
        await run_query(own_database, "SELECT nonsense")
    for bad in ("a\x00b", "a\ud800b"):
        with pytest.raises(InvalidInput):
            await _echo_value(own_database, bad)


async def _echo_value(database: Database, value: str) -> None:
    async with database.begin() as session:
        await session.execute(text("SELECT CAST(:value AS text)"), {"value": value})


async def test_a_lone_statement_is_a_transaction_and_the_connection_serves_longer_ones_again(
    own_database: Database,
) -> None:
    async def transaction_ids(session: Session) -> set[object]:
        asked = "SELECT pg_current_xact_id()::text"
        return {(await session.exec_driver_sql(asked)).scalar_one() for _ in range(2)}

    for _ in range(2):
        async with own_database.begin_statement() as session:
            assert len(await transaction_ids(session)) == 2
        async with own_database.begin() as session:
            assert len(await transaction_ids(session)) == 1


async def test_errors_of_a_lone_statement_are_translated(own_database: Database, addresses: Addresses) -> None:
    async def echo_value(value: str) -> None:
        async with own_database.begin_statement() as session:
            await session.exec_driver_sql("SELECT CAST(%s AS text)", (value,))

    async def kill_connection() -> None:
        async with own_database.begin_statement() as session:
            pid = (await session.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(addresses.superuser.replace("+psycopg", ""), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
            await session.exec_driver_sql("SELECT 1")

    with pytest.raises(InvalidInput):
        await echo_value("a\x00b")
    with pytest.raises(StoreUnavailable):
        await kill_connection()
    assert await run_query(own_database) == 1


async def test_times_come_back_in_utc(own_database: Database) -> None:
    assert await run_query(own_database, "SHOW timezone") == "UTC"
