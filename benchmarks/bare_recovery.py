"""The floor of a recovery: a Temporal workflow of the same shape that does nothing, in a file with few imports.

Signal with start, one local activity, a read on a queue of its own, a timer, a charge on that queue. No database.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

WORKFLOW_QUEUE = "bare"
CALL_QUEUE = "bare-calls"
SHORT = timedelta(seconds=2)
LONG = timedelta(seconds=90)


@workflow.defn(name="BareRecovery")
class BareRecovery:
    """One failure, one backoff, one charge."""

    def __init__(self) -> None:
        self._events: list[str] = []

    @workflow.run
    async def run(self, backoff_seconds: float) -> str:
        """From the signal to the charge's answer."""
        await workflow.wait_condition(lambda: bool(self._events))
        number = workflow.info().workflow_id
        await workflow.execute_local_activity(
            "note_failure", number, start_to_close_timeout=SHORT, retry_policy=RetryPolicy(maximum_attempts=3)
        )
        await workflow.execute_activity("read", number, task_queue=CALL_QUEUE, start_to_close_timeout=LONG)
        await asyncio.sleep(backoff_seconds)
        await workflow.execute_activity("charge", number, task_queue=CALL_QUEUE, start_to_close_timeout=LONG)
        return number

    @workflow.signal
    def provider_event(self, event: str) -> None:
        """What came with the start."""
        self._events.append(event)
