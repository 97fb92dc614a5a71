"""Work that outlives its request, and the limits of waiting for it."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

Result = TypeVar("Result")


class Background:
    """Tasks that nobody waits for any more: kept alive, watched, ended at shutdown."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Begin the work. Its failure is logged, should nobody have waited for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def within(self, limit: timedelta, work: Coroutine[Any, Any, Result]) -> Result:
        """The result. Raises TimeoutError after `limit`, at once, however long the work takes to give up."""
        task = self.start(work)
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    async def close(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Let what is under way finish for so long, then end it."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=patience.total_seconds())
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            structlog.get_logger("api").debug("background work failed", error=type(error).__name__)
