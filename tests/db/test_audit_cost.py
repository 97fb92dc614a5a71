"""What a verification costs: statements by batches of recoveries and memory by one batch, whatever the log's length."""

import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import event

from core.events import EventType
from db import audit
from db.rebuild import BATCH
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, event_of, failed_event

RECOVERIES = 2 * BATCH + 1
DAYS = 5


@pytest.fixture(scope="module")
async def filled(fresh_database: Callable[..., Addresses], migrated: str) -> AsyncIterator[Database]:
    """A log of three batches, of recoveries that opened on five days."""
    database = Database(fresh_database(migrated).writer)
    async with database.begin() as session:
        for number in range(RECOVERIES):
            at = NOW + timedelta(days=number % DAYS)
            opened = failed_event().model_copy(update={"occurred_at": at})
            events = [opened, event_of(EventType.PAUSED), event_of(EventType.RESUMED)]
            await event_log.append_to_log(session, blank_recovery(f"in_{number}"), events, at)
    yield database
    await database.close()


@pytest.fixture
def statements(filled: Database) -> list[str]:
    """The texts of the statements that the database executes from now on."""
    executed: list[str] = []
    event.listen(filled.engine.sync_engine, "before_cursor_execute", lambda *call: executed.append(call[2]))
    return executed


async def test_read_model_is_read_once_per_batch(filled: Database, statements: list[str]) -> None:
    report = await audit.verify_log(filled)
    assert report == audit.AuditReport(recoveries=RECOVERIES, rows=3 * RECOVERIES)
    assert len([one for one in statements if "FROM recovery" in one]) == 3 + 1  # and those without a log
    assert len([one for one in statements if one.startswith("SELECT event_log")]) == 1


async def test_memory_does_not_grow_with_the_log(filled: Database) -> None:
    peaks = {}
    for days in (1, DAYS):
        async with audit.hold_snapshot(filled) as (snapshot, _):
            first, *rest = snapshot.rows_by_day
            await audit.verify_days(filled, snapshot.id, first, first)
            tracemalloc.start()
            await audit.verify_days(filled, snapshot.id, first, (first, *rest)[days - 1])
            peaks[days] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    # One day fills less than half of a batch: five days may take one whole batch, not all of their rows.
    assert peaks[DAYS] < 3.5 * peaks[1], peaks


async def test_days_together_are_the_whole_log(filled: Database) -> None:
    async with audit.hold_snapshot(filled) as (snapshot, missing):
        assert sum(snapshot.rows_by_day.values()) == 3 * RECOVERIES
        reports = [await audit.verify_days(filled, snapshot.id, day, day) for day in snapshot.rows_by_day]
        assert audit.join_reports([missing, *reports]) == await audit.verify_log(filled)


async def test_pieces_see_the_snapshot_and_not_what_came_later(filled: Database) -> None:
    async with audit.hold_snapshot(filled) as (snapshot, _):
        (first, rows) = next(iter(snapshot.rows_by_day.items()))
        async with filled.begin() as session:
            await event_log.append_to_log(session, blank_recovery("in_later"), [failed_event()], NOW)
        assert (await audit.verify_days(filled, snapshot.id, first, first)).rows == rows
