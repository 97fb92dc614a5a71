"""A database that takes no writes: the API is not ready, and providers send again."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from db.session import Database
from devstack.postgres import Cluster
from tests.api.harness import ALL_SCOPES, ApiHarness, build_app, failed_event, open_harness
from tests.db.conftest import Addresses, set_read_only
from tests.intake.fakes import FakeRecoveries, unique_id


@contextmanager
def read_only(cluster: Cluster) -> Iterator[None]:
    """Makes the database read-only for all sessions."""
    set_read_only(cluster, on=True)
    try:
        yield
    finally:
        set_read_only(cluster, on=False)


async def readiness_of_database(harness: ApiHarness) -> tuple[int, str | None]:
    answer = await harness.client.get("/readyz")
    detail: str | None = answer.json()["checks"]["database"]["detail"]
    return answer.status_code, detail


@pytest.fixture
async def disposable_harness(
    fresh_database: Callable[..., Addresses], migrated: str, recoveries: FakeRecoveries
) -> AsyncIterator[tuple[Addresses, ApiHarness]]:
    """A harness over a database that one test may break."""
    database_addresses = fresh_database(migrated)
    database = Database(database_addresses.writer)
    async with open_harness(build_app(database, recoveries), database, recoveries) as opened_harness:
        yield database_addresses, opened_harness
    await database.close()


async def test_readiness_follows_a_read_only_database(harness: ApiHarness, cluster: Cluster) -> None:
    assert (await readiness_of_database(harness)) == (200, None)
    with read_only(cluster):
        status, detail = await readiness_of_database(harness)
        assert status == 503
        assert "read-only" in (detail or "")
        assert (await harness.client.get("/healthz")).status_code == 200
    assert (await readiness_of_database(harness)) == (200, None)


async def test_webhook_during_read_only_is_503_and_accepted_later(harness: ApiHarness, cluster: Cluster) -> None:
    event = failed_event(unique_id("in"))
    with read_only(cluster):
        answer = await harness.send_event(event)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "database_unavailable"
        assert answer.json()["detail"] == "The database cannot be used now."
        assert (await harness.client.get("/v1/recoveries", headers=ALL_SCOPES)).status_code == 200
    assert (await harness.send_event(event)).json()["status"] == "accepted"


async def test_database_role_without_write_permission_is_not_ready(
    disposable_harness: tuple[Addresses, ApiHarness],
) -> None:
    database_addresses, harness = disposable_harness
    with psycopg.connect(database_addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON event_log FROM pri_writer")
    assert await readiness_of_database(harness) == (503, "the role pri_writer may not write: run `pri migrate`")


async def test_webhook_without_tables_is_503(disposable_harness: tuple[Addresses, ApiHarness]) -> None:
    database_addresses, harness = disposable_harness
    with psycopg.connect(database_addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("DROP TABLE webhook_inbox")
    assert (await harness.send_event(failed_event(unique_id("in")))).status_code == 503


async def test_readiness_shows_the_servers_error_without_its_address(recoveries: FakeRecoveries) -> None:
    database = Database("postgresql://u:swordfish@127.0.0.1:1/n")
    async with open_harness(build_app(database, recoveries), database, recoveries) as harness:
        status, detail = await readiness_of_database(harness)
    await database.close()
    assert (status, detail) == (503, "The database cannot be used now: Connection refused")
