"""Tells Temporal that an activity lives, so that the death of its worker is noticed in seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from temporalio import activity
from temporalio.exceptions import ApplicationError

from core.contracts import NOT_ALLOWED
from core.errors import NotAllowed, ProviderUnavailable


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


@contextlib.asynccontextmanager
async def provider_call() -> AsyncIterator[None]:
    """Heartbeat during the call. NotAllowed becomes a final ApplicationError, ProviderUnavailable a retryable one."""
    try:
        async with heartbeat_in_background():
            yield
    except NotAllowed as refused:
        raise ApplicationError(str(refused), type=NOT_ALLOWED, non_retryable=True) from refused
    except ProviderUnavailable as away:
        raise ApplicationError(str(away), type="ProviderUnavailable", next_retry_delay=away.retry_after) from away


async def _send_heartbeats(every: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every)
