"""Waiting no longer than a decision may take, whatever the lookup does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def await_within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work` if it comes in time. Raises TimeoutError, and what `work` itself raises."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        # Cancelled but not awaited, unlike `asyncio.wait_for`: work that ignores the cancel would hold up its caller.
        if not task.done():
            task.cancel()
            task.add_done_callback(_discard_result)


def _discard_result(task: "asyncio.Future[T]") -> None:
    """Read the exception, if any, so that asyncio doesn't report it as never retrieved."""
    if not task.cancelled():
        task.exception()
