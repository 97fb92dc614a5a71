"""The relay's activity: how many passes it makes at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities import maintenance
from activities.maintenance import LONGEST_RELAY_SECONDS, Maintenance
from core.contracts import RelayInput, RelayReport


class StubDatabase:
    """A database in which nothing is done."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        """No transaction."""
        yield


async def count_passes(patch: pytest.MonkeyPatch, delivered: list[int], seconds_each: float = 0.0) -> int:
    """How many passes the activity makes that deliver so many rows, one after another."""
    waiting, clock = list(delivered), [0.0]

    async def run_pass(*_: object) -> RelayReport:
        clock[0] += seconds_each
        return RelayReport(delivered=waiting.pop(0), waiting=0, revived=0)

    async def refresh(_: object) -> None:
        pass

    patch.setattr(maintenance, "run_relay", run_pass)
    patch.setattr(maintenance, "refresh_figures", refresh)
    patch.setattr(maintenance, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    database: Any = StubDatabase()
    recoveries: Any = None
    await ActivityEnvironment().run(Maintenance(database, recoveries, {}).relay_inbox, RelayInput(limit=200))
    return len(delivered) - len(waiting)


async def test_full_pass_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await count_passes(monkeypatch, [200, 200, 7, 200]) == 3


async def test_slow_passes_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await count_passes(monkeypatch, [200] * 9, seconds_each=LONGEST_RELAY_SECONDS / 2) == 2
