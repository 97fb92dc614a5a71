"""Work that goes on behind an answer."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

Result = TypeVar("Result")


class Background:
    """Tasks that go on behind an answer. It keeps them alive, logs their failures and ends them at shutdown."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start_work(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Starts the work as a task, which the caller may await or leave. A failure is logged either way."""
        task = asyncio.create_task(work)
        # The event loop holds only weak references: without this set a task could be collected while it runs.
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)
        return task

    async def run_within(self, limit: timedelta, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of the work. Raises TimeoutError after `limit`, and whatever the work raises."""
        # asyncio.timeout would wait until the cancelled work has ended, which may hang; this returns at once.
        task = self.start_work(work)
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    async def close(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Waits for running tasks, at most `patience`, then cancels the rest."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=patience.total_seconds())
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            structlog.get_logger("api").debug("background work failed", error=type(error).__name__)
