"""The log's partitions: made before they are needed, and taken away by age as docs/scaling.md says."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.maintenance import Maintenance
from core.contracts import RetentionInput
from db.audit import verify_log
from db.partitions import MONTHS_AHEAD, make_partitions_ahead
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, failed_event

OLD: Final = datetime(2019, 3, 5, tzinfo=UTC)
BLOCKS: Final = re.findall(r"```sql\n(.*?)```", Path("docs/scaling.md").read_text(encoding="utf-8"), re.DOTALL)
OPEN_ONES, DETACH, ATTACH = (
    block.replace("2024_01", "2019_03").replace("2024-01", "2019-03").replace("2024-02", "2019-04") for block in BLOCKS
)


@pytest.fixture
def owner(addresses: Addresses) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


async def write_recovery(database: Database, invoice_id: str, at: datetime, *, ended: bool = True) -> None:
    """A recovery that opened at this time."""
    events = [failed_event(at, event_id=f"evt_{invoice_id}"), *([canceled_event()] if ended else [])]
    async with database.begin() as session:
        await event_log.append_to_log(session, blank_recovery(invoice_id), events, at)


def partition_names(owner: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in owner.execute("SELECT relid::text FROM pg_partition_tree('event_log') WHERE isleaf")}


def run_block(owner: psycopg.Connection[Any], block: str) -> list[Any]:
    """Each statement of a block of the page by itself; the rows of the last one that gives any."""
    rows: list[Any] = []
    for statement in filter(str.strip, block.split(";")):
        done = owner.execute(statement.encode())
        rows = done.fetchall() if done.description else rows
    return rows


async def test_partitions_of_the_coming_months_are_made_once(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    async with database.begin() as session:
        assert await make_partitions_ahead(session, date(2044, 11, 30)) == MONTHS_AHEAD + 1
        assert await make_partitions_ahead(session, date(2044, 12, 1)) == 1
    wanted = {f"event_log_{month}" for month in ("2044_11", "2044_12", "2045_01", "2045_02", "2045_03")}
    assert wanted <= partition_names(owner)


async def test_the_retention_pass_makes_them(database: Database, owner: psycopg.Connection[Any]) -> None:
    this_month = datetime.now(UTC).date().replace(day=1)
    owner.execute(f"DROP TABLE IF EXISTS event_log_{this_month:%Y_%m}".encode())
    unused: Any = None
    pass_once = Maintenance(database, unused, {}).apply_retention
    assert (await ActivityEnvironment().run(pass_once, RetentionInput())).partitions >= 1
    assert (await ActivityEnvironment().run(pass_once, RetentionInput())).partitions == 0
    assert f"event_log_{this_month:%Y_%m}" in partition_names(owner)


async def test_a_month_can_be_detached_and_attached_again(database: Database, owner: psycopg.Connection[Any]) -> None:
    await write_recovery(database, "in_old", OLD)
    await write_recovery(database, "in_new", NOW)
    assert run_block(owner, OPEN_ONES) == [(0,)]

    run_block(owner, DETACH)
    assert "event_log_2019_03" not in partition_names(owner)
    found = await verify_log(database)
    assert [(one.recovery_id, one.what) for one in found.problems] == [
        ("recovery-stripe-in_old", "the read model knows it, the log does not")
    ]
    await write_recovery(database, "in_newer", NOW)

    run_block(owner, ATTACH)
    assert (await verify_log(database)).is_clean


async def test_open_recoveries_are_counted_before_a_month_goes(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    await write_recovery(database, "in_open", OLD, ended=False)
    assert run_block(owner, OPEN_ONES) == [(1,)]
