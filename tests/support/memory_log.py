"""The log without a database: same promises as `activities.log.Log`, for tests of what happens above it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from core.errors import StoreUnavailable
from core.events import Event, Record
from core.retry.machine import place_all
from core.retry.recovery import Recovery


class MemoryLog:
    """Rows by recovery; what is written is what is returned, also to a repeat."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Record]] = {}
        self.failures = 0
        """How many of the next appends fail, as when the database is away."""
        self.hangs = 0
        """How many of the next appends hang for longer than a local activity may take."""

    async def append(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """These events behind `before`, or what is there already."""
        await self._trouble()
        if written := await self.since(before):
            return written
        _, records = place_all(before, events, now)
        self.rows.setdefault(before.recovery_id, []).extend(records)
        return records

    async def _trouble(self) -> None:
        if self.hangs:
            self.hangs -= 1
            await asyncio.sleep(5)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("scripted: away")

    async def since(self, before: Recovery) -> tuple[Record, ...]:
        """What is written behind `before`."""
        return tuple(r for r in self.rows.get(before.recovery_id, []) if r.sequence > before.sequence)

    async def all(self, recovery_id: str) -> tuple[Record, ...]:
        """The whole log of one recovery."""
        return tuple(self.rows.get(recovery_id, []))
