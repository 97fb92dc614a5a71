"""Waits for Temporal: `python -m devstack.probe frontend` or `... pollers SINCE QUEUE:KIND...`.

A process of its own, so that the starter needs no event loop and no SDK. It connects as the worker does
(TEMPORAL_* variables) and ends when the namespace answers, or when every queue has been polled after SINCE
(seconds since 1970). It has no time limit; the starter sets one. KIND is `workflow` or `activity`.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RPCError

QUEUE_KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}


async def connect_when_up() -> Client:
    """A client, as soon as the frontend accepts connections; tries without a limit."""
    while True:
        try:
            return await Client.connect(**ClientConfigProfile.load().to_client_connect_config())
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.1)


async def is_serving(client: Client) -> bool:
    """Whether the server answers for the client's namespace."""
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError:
        return False
    return True


async def is_polled(client: Client, queue: str, since: float) -> bool:
    """Whether a worker polled the queue `NAME:KIND` after `since`, in seconds since 1970."""
    name, _, kind = queue.rpartition(":")
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=QUEUE_KINDS[kind]
    )
    try:
        found = await client.workflow_service.describe_task_queue(request)
    except RPCError:
        return False
    return any(poller.last_access_time.ToNanoseconds() / 1e9 > since for poller in found.pollers)


async def wait_for(true: Callable[[], Awaitable[bool]]) -> None:
    """Returns when the condition holds, asked ten times a second."""
    while not await true():  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def main(arguments: list[str]) -> None:
    """Returns when the namespace answers, or all queues are polled, as the arguments say."""
    client = await connect_when_up()
    if arguments[0] == "frontend":
        await wait_for(partial(is_serving, client))
    for queue in arguments[2:]:
        await wait_for(partial(is_polled, client, queue, float(arguments[1])))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
    os._exit(0)  # the SDK may crash during interpreter shutdown, which would hide the success
