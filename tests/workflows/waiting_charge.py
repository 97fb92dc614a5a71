"""A charge that waits for its turn while real time passes, for tests of what happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from unittest import mock

from activities.charging import ChargeAttempt
from core.contracts import ChargeInput
from core.events import EventType
from core.recovery.state import Recovery
from tests.workflows.conftest import RecoveryRun


async def wait_for_plan(recovery_run: RecoveryRun) -> datetime:
    """When the first charge is due."""
    async with asyncio.timeout(60):
        while EventType.RETRY_PLANNED not in recovery_run.event_types:  # noqa: ASYNC110  (the log tells nobody)
            await asyncio.sleep(0.05)
    return datetime.fromisoformat(recovery_run.first_record(EventType.RETRY_PLANNED).data["at"])


@asynccontextmanager
async def waiting_charge(recovery_run: RecoveryRun) -> AsyncIterator[asyncio.Event]:
    """A charge that is due, and has not looked at the log before the event is set. Within, time is real."""
    turn, is_due, request_charge = asyncio.Event(), asyncio.Event(), ChargeAttempt.request_charge

    async def wait_for_turn(attempt: ChargeAttempt, order: ChargeInput) -> Recovery:
        is_due.set()
        await turn.wait()
        return await request_charge(attempt, order)

    now = await recovery_run.begin_with_failure()
    with recovery_run.environment.auto_time_skipping_disabled():
        due_at = await wait_for_plan(recovery_run)
        with mock.patch.object(ChargeAttempt, "request_charge", wait_for_turn):
            await recovery_run.environment.sleep(due_at - now + timedelta(seconds=1))
            await asyncio.wait_for(is_due.wait(), 30)
            yield turn
            turn.set()
