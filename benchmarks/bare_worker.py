"""`python -m benchmarks.bare_worker ADDRESS PORT`: the floor's worker, with the settings of ours.

It sends a datagram to PORT when the first activity of a workflow is done, when its read is, and when its charge is:
`KIND WORKFLOW SECONDS`.
"""

import asyncio
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker
from uvicorn.loops.auto import auto_loop_factory

from benchmarks.bare_recovery import CALL_QUEUE, WORKFLOW_QUEUE, BareRecovery
from workflows.options import MOST_CACHED


class BareActivities:
    """Activities that only say that they were executed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._address = ("127.0.0.1", port)

    def _tell(self, kind: str, workflow_id: str) -> None:
        self._socket.sendto(f"{kind} {workflow_id} {time.time():.6f}".encode(), self._address)

    @activity.defn
    async def note_failure(self, workflow_id: str) -> str:
        """The local one."""
        self._tell("first", workflow_id)
        return workflow_id

    @activity.defn
    async def read(self, workflow_id: str) -> str:
        """The first normal one."""
        self._tell("read", workflow_id)
        return workflow_id

    @activity.defn
    async def charge(self, workflow_id: str) -> str:
        """The last one."""
        self._tell("charge", workflow_id)
        return workflow_id


async def run_worker(address: str, port: int) -> None:
    """Polls both queues until SIGTERM. The settings are those of `worker.recovery_worker` and `charges_worker`."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address)
    does = BareActivities(port)
    workflows = Worker(
        client,
        task_queue=WORKFLOW_QUEUE,
        workflows=[BareRecovery],
        activities=[does.note_failure],
        max_concurrent_workflow_tasks=10,
        max_cached_workflows=MOST_CACHED,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    )
    calls = Worker(
        client,
        task_queue=CALL_QUEUE,
        activities=[does.read, does.charge],
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(workflows)
        await stack.enter_async_context(calls)
        await stop.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(run_worker(sys.argv[1], int(sys.argv[2])))
