"""Calls that are under way."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class RunningCalls(Generic[T]):
    """Once begun a call runs to its end, whether or not its caller still listens."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[T]] = set()

    async def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        """What it comes to."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
