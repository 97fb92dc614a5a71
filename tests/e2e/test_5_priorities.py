"""The embedded Temporal server heeds priorities: in a paced queue, charges don't wait behind reads."""

import asyncio
import secrets
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.support.service import RunningService
from workflows import options

READS, CHARGES, PER_SECOND = 60, 6, 20


@workflow.defn
class QueuedCalls:
    """So many calls at once in a queue."""

    @workflow.run
    async def run(self, queue: str, kind: str, priority_key: int, count: int) -> None:
        """Returns when all were made."""
        calls = (
            workflow.execute_activity(
                "call",
                kind,
                task_queue=queue,
                start_to_close_timeout=timedelta(minutes=1),
                priority=Priority(priority_key=priority_key),
            )
            for _ in range(count)
        )
        await asyncio.gather(*calls)


async def test_charges_are_made_before_reads_that_were_queued_earlier(service: RunningService) -> None:
    client, queue, made = await Client.connect(service.endpoints.temporal), f"paced-{secrets.token_hex(4)}", list[str]()

    @activity.defn(name="call")
    async def note_call(kind: str) -> None:
        made.append(kind)

    async def queue_calls(kind: str, priority: Priority, count: int) -> None:
        arguments = [queue, kind, priority.priority_key, count]
        await client.start_workflow(QueuedCalls.run, args=arguments, id=f"{queue}-{kind}", task_queue=f"{queue}-runs")
        await asyncio.sleep(2)  # the server hands calls of one workflow task to the queue together

    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=f"{queue}-runs", workflows=[QueuedCalls], workflow_runner=runner):
        await queue_calls("read", options.READ, READS)
        await queue_calls("charge", options.CHARGE, CHARGES)
        async with Worker(
            client, task_queue=queue, activities=[note_call], max_task_queue_activities_per_second=PER_SECOND
        ):
            await client.get_workflow_handle(f"{queue}-read").result()
    assert made.count("charge") == CHARGES
    last = len(made) - 1 - made[::-1].index("charge")
    assert last < READS / 2, f"the last charge was number {last + 1} of {len(made)}"
