"""Sums by day equal the sums over the recoveries, whatever was refreshed and whoever wrote meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import Event, EventType
from core.recovery import machine
from db.queries import figure_refresh, figures, summary
from db.queries.dashboard import load_overview
from db.queries.figure_periods import split_period
from db.queries.figures import Basis, Dimension, Figure
from db.rebuild import rebuild_read_model
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses, run_as_owner
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOMENTS = st.integers(0, 700 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
SINCE, UNTIL = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
PAID = Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"source": "read"})
DECIDED = (
    event_of(EventType.FAILURE_CLASSIFIED),
    event_of(EventType.CUSTOMER_SEGMENTED),
    event_of(EventType.FRAUD_ASSESSED),
    event_of(EventType.RETRY_PLANNED),
)
CHARGED = (*DECIDED, event_of(EventType.CHARGE_REQUESTED), event_of(EventType.CHARGE_SUCCEEDED))


@pytest.fixture(autouse=True)
async def empty(addresses: Addresses) -> None:
    """Deletes recoveries and figures."""
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("TRUNCATE recovery, network_attempt, recovery_figure, recovery_change")


async def put_recovery(database: Database, name: str, *events: Event, now: datetime = NOW) -> None:
    """Stores a recovery with these events, written at that time."""
    recovery = blank_recovery(name)
    async with database.begin() as session:
        for event in events:
            recovery = machine.fold_records(recovery, await event_log.append_to_log(session, recovery, [event], now))


async def refresh_figures(database: Database) -> int:
    """The number of changes that were added to the sums."""
    async with database.begin() as session:
        return await figure_refresh.refresh_figures(session, 1000)


async def read_figures(
    database: Database, since: datetime = SINCE, until: datetime = UNTIL, **options: Any
) -> list[Figure]:
    async with database.begin() as session:
        return await figures.read_figures(session, since, until, **options)


async def noted_changes(database: Database) -> int:
    async with database.begin() as session:
        return int((await session.exec_driver_sql("SELECT count(*) FROM recovery_change")).scalar_one())


async def test_sums_are_equal_before_and_after_a_refresh(database: Database) -> None:
    await put_recovery(database, "fig_open", failed_event())
    await put_recovery(database, "fig_won", failed_event(at=NOW - 30 * HOUR), *CHARGED)
    await put_recovery(
        database, "fig_elsewhere", failed_event(at=NOW - 3 * DAY, currency="eur", amount=90), *DECIDED, PAID
    )
    await put_recovery(database, "fig_lost", failed_event(currency="USD", amount=40), canceled_event())
    options: dict[str, Any] = {"dimensions": tuple(Dimension)}
    fresh = await read_figures(database, **options), await read_figures(database, basis=Basis.CLOSED, daily=True)
    assert await refresh_figures(database) > 0
    assert await refresh_figures(database) == 0
    assert (
        await read_figures(database, **options),
        await read_figures(database, basis=Basis.CLOSED, daily=True),
    ) == fresh
    total = {figure.currency: figure for figure in fresh[0] if figure.dimension is Dimension.ALL}
    assert (total["EUR"].at_risk, total["EUR"].recovered, total["EUR"].recovered_count) == (500, 590, 2)
    assert (total["USD"].lost, total["USD"].lost_count) == (40, 1)
    assert total["EUR"].seconds == 30 * 3600 + 3 * 86400
    names = {(figure.dimension, figure.name, figure.recovered_count) for figure in fresh[0]}
    assert {(Dimension.ATTEMPT, "1", 1), (Dimension.ATTEMPT, "elsewhere", 1), (Dimension.HOURS, "30", 1)} <= names
    assert {(Dimension.REACHED, "charged", 1), (Dimension.REACHED, "planned", 1)} <= names


async def test_change_is_visible_at_once_and_counts_once(database: Database) -> None:
    await put_recovery(database, "fig_day1", failed_event(at=NOW - 5 * DAY))
    await put_recovery(database, "fig_day2", failed_event(at=NOW - 4 * DAY))
    await refresh_figures(database)
    recovery = blank_recovery("fig_day1")
    async with database.begin() as session:
        recovery = machine.fold_records(recovery, await event_log.load_records(session, recovery.recovery_id))
        await event_log.append_to_log(session, recovery, [PAID], NOW)
    assert figures.total_of(await read_figures(database), "recovered") == 500
    assert await refresh_figures(database) == 2  # the row before, and the row after
    assert figures.total_of(await read_figures(database), "recovered") == 500
    assert figures.total_of(await read_figures(database), "at_risk") == 500


async def test_change_without_a_sum_is_not_noted(database: Database) -> None:
    await put_recovery(database, "fig_still", failed_event())
    await refresh_figures(database)
    async with database.begin() as session:
        await session.exec_driver_sql("UPDATE recovery SET checked_at = now(), updated_at = now()")
    assert await noted_changes(database) == 0


async def test_manual_deletion_and_rebuild_are_reflected(database: Database, addresses: Addresses) -> None:
    await put_recovery(database, "fig_gone", failed_event())
    await refresh_figures(database)
    run_as_owner(addresses, "DELETE FROM recovery")
    assert await read_figures(database) == []
    owner_database = Database(addresses.owner)
    async with owner_database.begin() as session:
        await rebuild_read_model(session)
    await owner_database.close()
    assert figures.total_of([figure for figure in await read_figures(database)], "open_count") >= 1
    await refresh_figures(database)
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("TRUNCATE recovery")
    assert await read_figures(database) == []
    await refresh_figures(database)
    assert await read_figures(database) == []


async def test_writers_of_one_day_do_not_wait_for_each_other_nor_for_a_refresh(database: Database) -> None:
    await put_recovery(database, "fig_first", failed_event())
    async with database.begin() as first:
        await event_log.append_to_log(first, blank_recovery("fig_one"), [failed_event()], NOW)
        await asyncio.wait_for(put_recovery(database, "fig_two", failed_event()), 5)
        async with database.begin() as refresher:
            assert await asyncio.wait_for(figure_refresh.refresh_figures(refresher, 1000), 5) == 2
            await asyncio.wait_for(put_recovery(database, "fig_three", failed_event()), 5)
            async with database.begin() as second:
                assert await figure_refresh.refresh_figures(second, 1000) == 0  # somebody is at it
        assert figures.total_of(await read_figures(database), "open_count") == 3
    assert figures.total_of(await read_figures(database), "open_count") == 4
    await refresh_figures(database)
    assert figures.total_of(await read_figures(database), "open_count") == 4


@pytest.fixture(scope="module")
def opened() -> list[datetime]:
    """Opening times around midnights, where a wrong bound would show."""
    midnight = datetime(2026, 9, 1, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    return [midnight + days * DAY + shift for days in (-1, 0, 1) for shift in (-tick, 0 * tick, tick, 9 * HOUR)]


async def test_any_period_holds_exactly_what_opened_in_it(database: Database, opened: list[datetime]) -> None:
    for number, at in enumerate(opened):
        await put_recovery(database, f"fig_span{number}", failed_event(at=at))
    await refresh_figures(database)
    await put_recovery(database, "fig_span_late", failed_event(at=opened[6]))  # one day is touched, the others are kept
    every = [*opened, opened[6]]
    edges = sorted({*opened, *(at + HOUR for at in opened)})
    for since in edges:
        for until in edges:
            total = figures.total_of(await read_figures(database, since, until), "open_count")
            assert total == sum(since <= at < until for at in every), (since, until)


async def test_periods_of_months_hold_exactly_what_opened_in_them(database: Database) -> None:
    opened = [datetime(2026, month, day, 13, tzinfo=UTC) for month in (3, 4, 5, 6, 12) for day in (1, 2, 15, 28)]
    for number, at in enumerate(opened):
        await put_recovery(database, f"fig_month{number}", failed_event(at=at, currency=("EUR", "USD")[number % 2]))
        if number % 3 == 0:
            await refresh_figures(database)  # sums of a month are added to, and some changes are still noted only
    edges = [
        datetime(2026, 2, 1, tzinfo=UTC),
        *opened,
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ]
    for since in edges:
        for until in edges:
            total = figures.total_of(await read_figures(database, since, until), "open_count")
            daily = figures.total_of(await read_figures(database, since, until, daily=True), "open_count")
            assert total == daily == sum(since <= at < until for at in opened), (since, until)


async def test_sums_that_become_zero_are_dropped(database: Database, addresses: Addresses) -> None:
    await put_recovery(database, "fig_dropped", failed_event(), *DECIDED)
    await refresh_figures(database)
    run_as_owner(addresses, "DELETE FROM recovery")
    assert await refresh_figures(database) == 1
    async with database.begin() as session:
        assert (await session.exec_driver_sql("SELECT count(*) FROM recovery_figure")).scalar_one() == 0


@given(
    since=MOMENTS,
    until=MOMENTS,
    moment=MOMENTS,
    is_daily=st.booleans(),
)
@settings(max_examples=500)
def test_each_moment_of_a_period_counts_once(
    since: datetime, until: datetime, moment: datetime, is_daily: bool
) -> None:
    period = split_period(since, until, is_daily)
    day = {"day": moment.date(), "month": moment.date().replace(day=1)}
    summed = sum(one.since <= day[one.kind] < one.until for one in period.ranges)
    assert summed == (period.first <= moment.date() < period.last)
    edges = sum(one.weight for one in period.edges if one.since <= moment < one.until)
    assert summed + edges == (since <= moment < until)


@given(hours=st.integers(0, 100_000))
@settings(max_examples=300)
def test_histogram_buckets_are_contiguous(hours: int) -> None:
    begin = hours if hours < 48 else hours // 6 * 6 if hours < 336 else hours // 24 * 24
    assert begin <= hours < figures.bucket_end(begin)


async def test_dashboard_agrees_with_the_summary(database: Database) -> None:
    await put_recovery(database, "fig_a", failed_event(), *CHARGED)
    await put_recovery(database, "fig_b", failed_event(amount=20, at=NOW - 2 * DAY), *DECIDED, canceled_event())
    await put_recovery(database, "fig_c", failed_event(amount=3), *DECIDED)
    await put_recovery(database, "fig_before", failed_event(amount=70_000, at=SINCE - DAY), *DECIDED, PAID)
    await refresh_figures(database)
    async with database.begin() as session:
        currency = (await load_overview(session, SINCE, UNTIL)).currencies[0]
        found = await summary.load_sums_by_currency(session, (("currency",), ("cause",)), SINCE, UNTIL, "eur")
    (total,), causes = found["EUR"].values()
    assert currency.opened == total.sums
    assert [(group.name, group.sums) for group in currency.by_cause] == [
        (cause.keys[0], cause.sums) for cause in causes
    ]
    assert (currency.opened.recovered, currency.ever.recovered) == (500, 70_500)
    assert [(group.name, group.sums.recovered_count) for group in currency.by_attempt] == [("1", 1)]
    counts = [step.sums.open_count + step.sums.recovered_count + step.sums.lost_count for step in currency.funnel]
    assert counts == [3, 3, 3, 1, 1]
    assert [(day.day, day.recovered, day.lost) for day in currency.ended_by_day] == [(NOW.date(), 70_500, 20)]
    assert sum(bucket.count for bucket in currency.hours_to_recovery) == 1
    assert currency.mean_hours == 0
    assert currency.median_hours is not None
    assert 0 <= currency.median_hours < 1
