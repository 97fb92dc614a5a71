"""Tells Temporal that an activity lives, so that the death of its worker is noticed in seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from temporalio import activity


@contextlib.asynccontextmanager
async def heartbeat_in_background(every: float = 2.0) -> AsyncIterator[None]:
    """Heartbeats in the background for as long as the block runs; `every` in seconds."""
    beat = asyncio.create_task(_send_heartbeats(every))
    try:
        yield
    finally:
        beat.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beat


async def _send_heartbeats(every: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every)
