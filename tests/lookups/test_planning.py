"""Retry statistics as a plan looks them up: counted in the background, and never an error."""

import asyncio

import pytest

from core.classification.taxonomy import Cause
from core.errors import StoreUnavailable
from core.strategies.experience import RetryCell
from lookups import planning
from lookups.planning import StatisticsCache

CELL = RetryCell("GENERIC", 1, 9, 3, 10, 4)


async def test_what_was_learnt_is_counted_once_and_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    async def count() -> list[RetryCell]:
        counted.append(CELL)
        return list(counted)

    learnt = StatisticsCache(count)
    first = [await learnt.latest_statistics() for _ in range(3)]
    assert len(counted) == 1
    assert first[0].experience_for(Cause.GENERIC, 1).attempt == (10, 4)
    monkeypatch.setattr(planning, "FRESH_SECONDS", -1)
    assert await learnt.latest_statistics() is first[0], "the old snapshot serves while it is counted again"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await learnt.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (20, 8)


async def test_a_count_that_takes_long_or_fails_leaves_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "FIRST_COUNT_SECONDS", 0.01)
    released = asyncio.Event()

    async def slow() -> list[RetryCell]:
        await released.wait()
        raise StoreUnavailable("gone")

    learnt = StatisticsCache(slow)
    assert (await learnt.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
    released.set()
    assert (await learnt.latest_statistics()).experience_for(Cause.GENERIC, 1).attempt == (0, 0)
