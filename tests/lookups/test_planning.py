"""Retry statistics as a plan looks them up: counted in the background, and never an error."""

import asyncio

import pytest

from core.classification.taxonomy import Cause
from core.errors import StoreUnavailable
from core.strategies.experience import RetryCell
from lookups import planning
from lookups.planning import StatisticsCache

CELL = RetryCell("GENERIC", 1, 9, 3, 10, 4)


async def test_statistics_are_counted_once_and_again_when_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    async def count() -> list[RetryCell]:
        counts.append(CELL)
        return list(counts)

    cache = StatisticsCache(count)
    first = [await cache.latest_statistics() for _ in range(3)]
    assert len(counts) == 1
    assert first[0].experience_for(Cause.GENERIC, 1).attempt == (10, 4)
    monkeypatch.setattr(planning, "FRESH_SECONDS", -1)
    assert await cache.latest_statistics() is first[0], "the old snapshot serves while it is counted again"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (20, 8)


async def test_slow_or_failed_count_gives_empty_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "FIRST_COUNT_SECONDS", 0.01)
    released = asyncio.Event()

    async def slow() -> list[RetryCell]:
        await released.wait()
        raise StoreUnavailable("gone")

    cache = StatisticsCache(slow)
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
    released.set()
    assert (await cache.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
