"""More signals at once than the server keeps beside a workflow task: it fails the task, with what that did already."""

import asyncio
import json

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from tests.support.service import RunningService

PAIRS = 150
Run = WorkflowHandle[object, object]


async def test_one_row_per_signal(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    client = await Client.connect(service.place.temporal)
    run: Run = client.get_workflow_handle(recovery.id)
    sent = [(word, f"{word} {number}") for number in range(PAIRS) for word in ("pause", "resume")]
    await asyncio.gather(*(run.signal(word, {"actor": "ann", "reason": reason}) for word, reason in sent))
    assert (await recovery.submit_command("cancel")).status_code in {200, 202}
    await recovery.wait_for_unpaid_end("canceled")

    assert await count_failed_tasks(run), "the burst was too small to lose a task"
    heard = await signals_in_history(run)
    assert sorted(heard) == sorted(sent)
    rows = await recovery.fetch_events("operator.paused", "operator.resumed")
    assert [row["data"]["reason"] for row in rows] == [reason for _, reason in heard], "in the order of the history"


async def signals_in_history(run: Run) -> list[tuple[str, str]]:
    """The pauses and resumes in the workflow's history: name and reason."""
    found = []
    async for event in run.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            told = event.workflow_execution_signaled_event_attributes
            if told.signal_name in {"pause", "resume"}:
                found.append((told.signal_name, json.loads(told.input.payloads[0].data)["reason"]))
    return found


async def count_failed_tasks(run: Run) -> int:
    """Workflow tasks that came to nothing."""
    lost = {EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT}
    return len([event async for event in run.fetch_history_events() if event.event_type in lost])
