"""The database behind a real PgBouncer, in session and transaction pooling."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from core.errors import StoreUnavailable
from db import schema
from db.address import parse_address
from db.audit import verify_log
from db.repositories import event_log
from db.session import Database
from devstack.postgres import OWNER, WRITER, Cluster
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, failed_event
from tests.support.pooler import run_pooler

Fresh = Callable[..., Addresses]
MODES: dict[str, dict[str, str]] = {
    "defaults": {},
    "transactions": {"pool_mode": "transaction", "default_pool_size": "3"},
    "options ignored": {"pool_mode": "transaction", "ignore_startup_parameters": "options"},
}


@pytest.fixture(scope="module", params=list(MODES.values()), ids=list(MODES))
def port(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[int]:
    with run_pooler(cluster, request.param) as listening:
        yield listening


@pytest.fixture(scope="module")
def transactions(cluster: Cluster) -> Iterator[int]:
    with run_pooler(cluster, MODES["transactions"]) as listening:
        yield listening


def address_through(port: int, role: str, database_addresses: Addresses, query: str = "") -> str:
    return (
        f"postgresql://{role}@127.0.0.1:{port}/{parse_address(database_addresses.writer).parameters['dbname']}{query}"
    )


async def show_settings(database: Database, *names: str) -> list[str]:
    async with database.begin() as session:
        return [str((await session.execute(text(f"SHOW {name}"))).scalar_one()) for name in names]


async def test_migration_writes_and_reads_work_through_a_pooler(port: int, fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    await asyncio.to_thread(schema.upgrade_schema, address_through(port, OWNER, database_addresses), WRITER)
    database = Database(address_through(port, WRITER, database_addresses))
    assert await schema.is_at_head(database.engine)

    async def write_recovery(number: int) -> None:
        async with database.begin() as session:
            await event_log.append_to_log(
                session, blank_recovery(f"in_{number}"), [failed_event(), canceled_event()], NOW
            )

    await write_recovery(0)  # makes the month's partition, which others might not see yet while it is being made
    await asyncio.gather(
        *(write_recovery(number) for number in range(1, 40))
    )  # prepared statements would be missed by now
    async with database.begin() as session:
        assert (await session.execute(text("SELECT count(*) FROM event_log"))).scalar_one() == 120
    await database.close()


async def test_limits_and_address_options_apply_through_a_pooler(port: int, addresses: Addresses) -> None:
    database = Database(address_through(port, WRITER, addresses, "?options=-c work_mem=7MB"))
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "timezone", "work_mem")
    for settings in await asyncio.gather(*(show_settings(database, *names) for _ in range(8))):
        assert settings == ["5s", "30s", "UTC", "7MB"]
    await database.close()


async def test_limits_apply_to_a_lone_statement_too(port: int, addresses: Addresses) -> None:
    database = Database(address_through(port, WRITER, addresses))
    for _ in range(8):
        async with database.begin_statement() as session:
            assert (await session.exec_driver_sql("SHOW statement_timeout")).scalar_one() == "5s"
    await database.close()


async def test_lists_and_odd_values_of_the_address(port: int, addresses: Addresses) -> None:
    query = r"?options=-c search_path=%22$user%22,\ public -c pri.odd=it's\ 100%25\\"
    database = Database(address_through(port, WRITER, addresses, query))
    assert await show_settings(database, "search_path", "pri.odd") == ['"$user", public', "it's 100%\\"]
    await database.close()


async def test_a_transaction_can_still_choose_its_isolation(port: int, addresses: Addresses) -> None:
    database = Database(address_through(port, WRITER, addresses))
    assert (await verify_log(database)).is_clean
    await database.close()


async def test_no_settings_stay_in_the_server_session(transactions: int, addresses: Addresses) -> None:
    database = Database(address_through(transactions, WRITER, addresses))
    await show_settings(database, "statement_timeout")
    await database.close()
    with psycopg.connect(address_through(transactions, WRITER, addresses), autocommit=True) as next_connection:
        assert next_connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert next_connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_migrators_take_turns_and_leave_no_lock(transactions: int, fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    address = address_through(transactions, OWNER, database_addresses)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: schema.upgrade_schema(address, WRITER), range(3)))
    with psycopg.connect(database_addresses.superuser.replace("+psycopg", ""), autocommit=True) as root:
        lock_count = root.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert lock_count == (0,)
    with psycopg.connect(address, autocommit=True) as next_connection:
        assert next_connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    schema.upgrade_schema(database_addresses.owner, WRITER)  # directly: no lock is in the way


async def test_unsupported_pooler_mode_is_reported(cluster: Cluster, addresses: Addresses) -> None:
    with run_pooler(cluster, {"pool_mode": "statement"}) as port:
        database = Database(address_through(port, WRITER, addresses))
        with pytest.raises(StoreUnavailable, match="transaction blocks not allowed in statement pooling mode"):
            await show_settings(database, "timezone")
        await database.close()
