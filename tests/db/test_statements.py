"""Statements given to the driver behave as SQLAlchemy's own: values, errors, dropped connections, listeners."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, column, event, exc, select, text, values

from core.errors import InvalidInput, StoreUnavailable
from db.session import Database
from db.statements import HotStatement
from tests.db.conftest import Addresses

PID = HotStatement(text("SELECT pg_backend_pid() AS pid FROM pg_sleep(0.2)"))
SLEEP = HotStatement(text("SELECT pg_sleep(30)"))
WRITE = HotStatement(text("UPDATE recovery SET state = state"))


@pytest.fixture
async def own_database(addresses: Addresses) -> AsyncIterator[Database]:
    database = Database(addresses.writer, statement_timeout=timedelta(seconds=1), pool_size=2)
    yield database
    await database.close()


async def fetch(database: Database, statement: HotStatement, **given: Any) -> list[dict[str, Any]]:
    async with database.begin() as session:
        return await statement.fetch(session, given)


async def server_pids(database: Database) -> set[int]:
    """The server processes behind both connections of the pool."""
    found = await asyncio.gather(fetch(database, PID), fetch(database, PID))
    return {row["pid"] for (row,) in found}


async def test_rows_come_by_name_and_constants_are_part_of_the_statement(own_database: Database) -> None:
    numbers = values(column("number"), name="numbers").data([(1,), (2,), (3,)])
    above = HotStatement(select(numbers.c.number).where(numbers.c.number > bindparam("least")).order_by("number"))
    assert await fetch(own_database, above, least=1) == [{"number": 2}, {"number": 3}]


async def test_a_missing_value_is_a_bug_and_no_outage(own_database: Database) -> None:
    with pytest.raises(exc.ProgrammingError, match="missing"):
        await fetch(own_database, HotStatement(text("SELECT :value")))


async def test_a_value_that_does_not_fit_is_invalid_input(own_database: Database) -> None:
    for unfit in ("\0", "\ud800"):
        with pytest.raises(InvalidInput):
            await fetch(own_database, HotStatement(text("SELECT CAST(:value AS text)")), value=unfit)


async def test_values_stay_out_of_errors(own_database: Database) -> None:
    with pytest.raises(exc.ProgrammingError) as raised:
        await fetch(own_database, HotStatement(text("SELECT no_such_column, CAST(:value AS text)")), value="Jane Doe")
    assert "Jane" not in str(raised.value)


async def test_a_statement_that_takes_too_long_is_an_outage(own_database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await fetch(own_database, SLEEP)


async def test_a_write_on_a_read_only_server_closes_all_sessions(own_database: Database) -> None:
    before = await server_pids(own_database)

    async def write_read_only() -> None:
        async with own_database.begin() as session:
            await session.execute(text("SET LOCAL transaction_read_only = on"))
            await WRITE.execute(session, {})

    with pytest.raises(StoreUnavailable, match="read-only"):
        await write_read_only()
    assert len(before) == 2
    assert not before & await server_pids(own_database)


async def test_after_a_killed_connection_all_are_replaced(own_database: Database, addresses: Addresses) -> None:
    before = await server_pids(own_database)

    async def kill_connection() -> None:
        async with own_database.begin() as session:
            (row,) = await PID.fetch(session, {})
            with psycopg.connect(addresses.superuser.replace("+psycopg", ""), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 1000)", [row["pid"]])
            await PID.fetch(session, {})

    with pytest.raises(StoreUnavailable):
        await kill_connection()
    assert not before & await server_pids(own_database)


async def test_a_canceled_statement_drops_its_connection_only(own_database: Database) -> None:
    before = await server_pids(own_database)
    sleeping = asyncio.create_task(fetch(own_database, SLEEP))
    await asyncio.sleep(0.2)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert len(before & await server_pids(own_database)) == 1


async def test_listeners_of_the_engine_hear_of_it(own_database: Database) -> None:
    heard: list[Any] = []
    event.listen(own_database.engine.sync_engine, "before_cursor_execute", lambda *call: heard.append(call[2:4]))
    question = HotStatement(text("SELECT CAST(:value AS int)"))
    await fetch(own_database, question, value=1)
    assert heard == [(question.sql, {"value": 1})]


async def test_a_tracer_can_keep_its_span_on_the_execution_until_it_ends_well_or_badly(own_database: Database) -> None:
    engine, ended = own_database.engine.sync_engine, list[str]()

    def begin_span(*call: Any) -> None:
        call[4].span = f"{call[4].dialect.name} {call[5]}"

    event.listen(engine, "before_cursor_execute", begin_span)
    event.listen(engine, "after_cursor_execute", lambda *call: ended.append(f"{call[4].span} well"))
    event.listen(engine, "handle_error", lambda failed: ended.append(f"{failed.execution_context.span} badly"))
    await fetch(own_database, HotStatement(text("SELECT 1")))
    with pytest.raises(exc.ProgrammingError):
        await fetch(own_database, HotStatement(text("SELECT no_such_column")))
    assert ended == ["postgresql False well", "postgresql False badly"]
