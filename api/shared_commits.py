"""Stores what arrives at the same time by one transaction: while one is under way, arrivals gather for the next.

Nothing waits where nothing is under way. A commit costs the database the same for one row and for sixty.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from api.background import Background
from core.errors import StoreUnavailable

Item = TypeVar("Item")
Stored = TypeVar("Stored")

MOST_TOGETHER: Final = 64
PATIENCE: Final = timedelta(seconds=1)
"""How long a transaction holds up others. Items that share it are then stored each alone: one may wait for a lock."""


@dataclass(eq=False)
class _Waiting(Generic[Item, Stored]):
    """One item and the answer that its request waits for."""

    item: Item
    deadline: float
    answer: "asyncio.Future[Stored]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self, stored: Stored) -> None:
        """Answers, unless the request is gone."""
        if not self.answer.done():
            self.answer.set_result(stored)

    def fail(self, error: Exception) -> None:
        """Answers with an error, unless the request is gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


class SharedCommits(Generic[Item, Stored]):
    """Shares transactions among items. `store` stores all that it is given or, with an error, none.

    Repeating `store` must be safe: items of a transaction that failed are stored once more, each alone.
    """

    def __init__(
        self, background: Background, limit: timedelta, store: Callable[[Sequence[Item]], Awaitable[Sequence[Stored]]]
    ) -> None:
        self._background, self._limit, self._store = background, limit, store
        self._waiting: deque[_Waiting[Item, Stored]] = deque()
        self._is_storing = False

    async def store(self, item: Item) -> Stored:
        """What became of the item, after the commit. Raises what `store` raises for it alone, TimeoutError after
        `limit`. The end of the caller's task ends nobody else's transaction.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Item, Stored](item, loop.time() + self._limit.total_seconds())
        self._waiting.append(waiting)
        if not self._is_storing:
            self._is_storing = True
            self._background.start_work(self._store_waiting())
        timer = loop.call_at(waiting.deadline, waiting.fail, TimeoutError())
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    async def _store_waiting(self) -> None:
        """Stores until nothing waits, in the order of arrival."""
        try:
            while batch := self._take_batch():
                await (self._store_together(batch) if len(batch) > 1 else self._begin_alone(batch[0]))
        finally:
            self._is_storing = False
            for left in self._waiting:  # only if the process is ending
                left.fail(StoreUnavailable("The service is stopping."))
            self._waiting.clear()

    def _take_batch(self) -> list[_Waiting[Item, Stored]]:
        batch: list[_Waiting[Item, Stored]] = []
        while self._waiting and len(batch) < MOST_TOGETHER:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch

    async def _store_together(self, batch: Sequence[_Waiting[Item, Stored]]) -> None:
        """Stores the batch by one transaction; if that fails, each item by its own."""
        try:
            stored = await self._background.run_within(PATIENCE, self._call_store(batch))
        except Exception:  # whose fault it is shows when each is stored alone
            for waiting in batch:
                self._background.start_work(self._store_alone(waiting))
            return
        except asyncio.CancelledError:
            _fail_stopped(batch)
            raise
        for waiting, one in zip(batch, stored, strict=True):
            waiting.resolve(one)

    async def _begin_alone(self, waiting: _Waiting[Item, Stored]) -> None:
        """Returns when the item is stored, or when others have waited long enough for it."""
        await asyncio.wait({self._background.start_work(self._store_alone(waiting))}, timeout=PATIENCE.total_seconds())

    async def _store_alone(self, waiting: _Waiting[Item, Stored]) -> None:
        left = timedelta(seconds=max(0.0, waiting.deadline - asyncio.get_running_loop().time()))
        try:
            (stored,) = await self._background.run_within(left, self._call_store([waiting]))
        except Exception as error:
            waiting.fail(error)
        except asyncio.CancelledError:
            _fail_stopped([waiting])
            raise
        else:
            waiting.resolve(stored)

    async def _call_store(self, batch: Sequence[_Waiting[Item, Stored]]) -> Sequence[Stored]:
        return await self._store([waiting.item for waiting in batch])


def _fail_stopped(batch: Sequence[_Waiting[Any, Any]]) -> None:
    for waiting in batch:
        waiting.fail(StoreUnavailable("The service is stopping."))
