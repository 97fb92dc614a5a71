"""More signals than the server buffers beside a workflow task: it fails the task and what it did."""

import asyncio
import json

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from tests.support.service import RunningService

PAIRS = 150
MOST_BURSTS = 6
"""A quick worker takes one burst without losing a task; not several, while the rows of earlier ones wait."""
Run = WorkflowHandle[object, object]


async def test_one_row_per_signal(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    client = await Client.connect(service.endpoints.temporal)
    run: Run = client.get_workflow_handle(recovery.id)
    signals: list[tuple[str, str]] = []
    while len(signals) < MOST_BURSTS * 2 * PAIRS and not await count_failed_tasks(run):
        signals += await send_burst(run, first=len(signals))
    assert (await recovery.submit_command("cancel")).status_code in {200, 202}
    await recovery.wait_for_unpaid_end("canceled")

    assert await count_failed_tasks(run), "the bursts were too small to lose a task"
    received = await signals_in_history(run)
    assert sorted(received) == sorted(signals)
    rows = await recovery.fetch_events("operator.paused", "operator.resumed")
    assert [row["data"]["reason"] for row in rows] == [reason for _, reason in received], "in the order of the history"


async def send_burst(run: Run, first: int) -> list[tuple[str, str]]:
    """Sends signals at the same time; name and reason of each, numbered from `first` on."""
    signals = [(name, f"{name} {first + number}") for number in range(PAIRS) for name in ("pause", "resume")]
    await asyncio.gather(*(run.signal(name, {"actor": "ann", "reason": reason}) for name, reason in signals))
    return signals


async def signals_in_history(run: Run) -> list[tuple[str, str]]:
    """Name and reason of the pause and resume signals in the workflow's history."""
    signals = []
    async for event in run.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            attributes = event.workflow_execution_signaled_event_attributes
            if attributes.signal_name in {"pause", "resume"}:
                signals.append((attributes.signal_name, json.loads(attributes.input.payloads[0].data)["reason"]))
    return signals


async def count_failed_tasks(run: Run) -> int:
    """The number of failed or timed-out workflow tasks."""
    failures = {EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT}
    return len([event async for event in run.fetch_history_events() if event.event_type in failures])
