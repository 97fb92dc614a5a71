"""Calendars and retry statistics: only what is needed is looked up, and errors are tolerated."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from activities import lookups
from activities.lookups import StatisticsCache
from catalog.calendars import MAIN_ZONES, calendar_for
from core.classification.taxonomy import Cause
from core.errors import StoreUnavailable
from core.strategies.experience import RetryCell

NOW = datetime(2026, 12, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=21)
CELL = RetryCell("GENERIC", 1, 9, 3, 10, 4)


def test_holidays_of_the_window_only() -> None:
    calendar = calendar_for("de", None, NOW, LATER)
    assert calendar.holidays == (date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1))
    assert (calendar.country, calendar.zone) == ("DE", "Europe/Berlin")


def test_a_customer_s_own_zone_counts_before_the_country_s() -> None:
    assert calendar_for("US", "America/Los_Angeles", NOW, LATER).zone == "America/Los_Angeles"


@pytest.mark.parametrize("zone", ["Nowhere/Atall", "../../etc/passwd", "", "a\0b", None])
def test_unknown_country_and_zone_mean_utc_without_holidays(zone: str | None) -> None:
    calendar = calendar_for("XX", zone, NOW, LATER)
    assert (calendar.zone, calendar.holidays, len(calendar.offsets)) == ("UTC", (), 1)


def test_a_clock_change_is_found_at_its_moment() -> None:
    offsets = calendar_for("GB", None, datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)).offsets
    assert [offset.seconds for offset in offsets] == [3_600, 0]
    assert offsets[1].since == datetime(2026, 10, 25, 1, tzinfo=UTC)


def test_a_long_window_is_cut() -> None:
    offsets = calendar_for("GB", None, NOW, NOW + timedelta(days=365)).offsets
    assert len(offsets) == 1


def test_every_main_zone_exists() -> None:
    assert all(calendar_for(country, None, NOW, LATER).zone == zone for country, zone in MAIN_ZONES.items())


async def test_statistics_are_counted_once_and_again_when_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    async def count() -> list[RetryCell]:
        counts.append(CELL)
        return list(counts)

    cache = StatisticsCache(count)
    first = [await cache.latest_statistics() for _ in range(3)]
    assert len(counts) == 1
    assert first[0].experience_for(Cause.GENERIC, 1).attempt == (10, 4)
    monkeypatch.setattr(lookups, "FRESH_SECONDS", -1)
    assert await cache.latest_statistics() is first[0], "the old snapshot serves while it is counted again"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (20, 8)


async def test_slow_or_failed_count_gives_empty_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "FIRST_COUNT_SECONDS", 0.01)
    released = asyncio.Event()

    async def slow() -> list[RetryCell]:
        await released.wait()
        raise StoreUnavailable("gone")

    cache = StatisticsCache(slow)
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
    released.set()
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
