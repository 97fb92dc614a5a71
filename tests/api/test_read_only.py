"""A server that takes no writes any more: not ready, and providers send again."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from db.session import Database
from devstack.postgres import Cluster
from tests.api.house import ALL, House, application, failed, opened
from tests.db.conftest import Addresses, admin
from tests.intake.fakes import FakeRecoveries, unique


@contextmanager
def read_only(cluster: Cluster) -> Iterator[None]:
    """For all sessions, also those that are open."""
    admin(cluster, "ALTER SYSTEM SET default_transaction_read_only = on")
    admin(cluster, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        admin(cluster, "ALTER SYSTEM RESET default_transaction_read_only")
        admin(cluster, "SELECT pg_reload_conf()")


async def database_of(house: House) -> tuple[int, str | None]:
    answer = await house.client.get("/readyz")
    detail: str | None = answer.json()["checks"]["database"]["detail"]
    return answer.status_code, detail


@pytest.fixture
async def other(
    fresh_database: Callable[..., Addresses], migrated: str, recoveries: FakeRecoveries
) -> AsyncIterator[tuple[Addresses, House]]:
    """A house over a database that one test may spoil."""
    made = fresh_database(migrated)
    database = Database(made.writer)
    async with opened(application(database, recoveries), database, recoveries) as found:
        yield made, found
    await database.close()


async def test_not_ready_with_the_reason_and_ready_again(house: House, cluster: Cluster) -> None:
    assert (await database_of(house)) == (200, None)
    with read_only(cluster):
        status, detail = await database_of(house)
        assert status == 503
        assert "read-only" in (detail or "")
        assert (await house.client.get("/healthz")).status_code == 200
    assert (await database_of(house)) == (200, None)


async def test_a_webhook_is_sent_again_later(house: House, cluster: Cluster) -> None:
    event = failed(unique("in"))
    with read_only(cluster):
        answer = await house.send(event)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "database_unavailable"
        assert answer.json()["detail"] == "The database cannot be used now."
        assert (await house.client.get("/v1/recoveries", headers=ALL)).status_code == 200
    assert (await house.send(event)).json()["status"] == "accepted"


async def test_a_role_that_may_not_write_is_not_ready(other: tuple[Addresses, House]) -> None:
    made, house = other
    with psycopg.connect(made.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON event_log FROM pri_writer")
    assert await database_of(house) == (503, "the role pri_writer may not write: run `pri migrate`")


async def test_without_its_tables_a_webhook_comes_again_too(other: tuple[Addresses, House]) -> None:
    made, house = other
    with psycopg.connect(made.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("DROP TABLE webhook_inbox")
    assert (await house.send(failed(unique("in")))).status_code == 503


async def test_readiness_has_the_servers_own_words_and_not_where_it_stands(recoveries: FakeRecoveries) -> None:
    database = Database("postgresql://u:swordfish@127.0.0.1:1/n")
    async with opened(application(database, recoveries), database, recoveries) as house:
        status, detail = await database_of(house)
    await database.close()
    assert (status, detail) == (503, "The database cannot be used now: Connection refused")
