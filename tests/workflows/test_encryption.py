"""Two encryption keys in flight, and failures that say nothing to who reads Temporal's histories, live and replayed."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from observability.encryption import encryption_codec
from workflows.client import temporal_plugin

OLD, NEW = (f"{name}:{base64.b64encode(name[0].encode() * 32).decode()}" for name in ("old", "new"))
SECRET = "the card of cus_4711 was refused"


@activity.defn(name="refuse")
async def refuse() -> None:
    """Fails with a message that nobody but us may read."""
    raise ApplicationError(SECRET, type="Refused", non_retryable=True)


@workflow.defn(name="Encrypted", sandboxed=False)
class EncryptedRun:
    """Waits for a signal, then meets a failure, whose message it returns."""

    def __init__(self) -> None:
        self._word = ""

    @workflow.signal
    def go(self, word: str) -> None:
        """Goes on."""
        self._word = word

    @workflow.run
    async def run(self, subject: str) -> list[str]:
        """What it was started with, what the signal brought, and what the failure says."""
        await workflow.wait_condition(lambda: bool(self._word))
        try:
            await workflow.execute_activity(
                refuse, start_to_close_timeout=timedelta(seconds=10), retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except ActivityError as error:
            return [subject, self._word, str(error.cause)]
        return []


def client_with(environment: WorkflowEnvironment, *keys: str) -> Client:
    """A client of that server with these keys, the first of which encrypts."""
    plain, codec = environment.client, encryption_codec(map(SecretStr, keys))
    return Client(plain.service_client, namespace=plain.namespace, plugins=[temporal_plugin(codec)])


@asynccontextmanager
async def polling(client: Client, queue: str) -> AsyncIterator[None]:
    """A worker that knows nothing of earlier workers but the history."""
    # Nothing is cached, so that each task replays what the history holds.
    async with Worker(client, task_queue=queue, workflows=[EncryptedRun], activities=[refuse], max_cached_workflows=0):
        yield


async def started(client: Client, queue: str) -> WorkflowHandle[EncryptedRun, list[str]]:
    """A run that has begun to wait."""
    handle = await client.start_workflow(EncryptedRun.run, "cus_4711", id=f"enc-{uuid.uuid4()}", task_queue=queue)
    async with asyncio.timeout(20):
        while len((await handle.fetch_history()).events) < 4:  # noqa: ASYNC110 (the server tells nobody)
            await asyncio.sleep(0.05)
    return handle


@pytest.fixture
async def history(time_server: WorkflowEnvironment) -> WorkflowHistory:
    """The history of a run that began with the old key and went on after the rotation."""
    queue = f"encrypted-{uuid.uuid4()}"
    before, after = client_with(time_server, OLD, NEW), client_with(time_server, NEW, OLD)
    async with polling(before, queue):
        handle = await started(before, queue)
    async with polling(after, queue):
        rotated = after.get_workflow_handle_for(EncryptedRun.run, handle.id)
        await rotated.signal(EncryptedRun.go, "go on")
        assert await rotated.result() == ["cus_4711", "go on", f"Refused: {SECRET}"]
    return await rotated.fetch_history()


def key_ids(history: WorkflowHistory) -> dict[str, bytes]:
    """The key of each kind of event's payload."""
    by_kind: dict[str, bytes] = {}
    for event in history.events:
        for name in ("workflow_execution_started", "workflow_execution_signaled", "workflow_execution_completed"):
            attributes = getattr(event, f"{name}_event_attributes")
            payloads = getattr(attributes, "result" if name.endswith("completed") else "input").payloads
            if payloads:
                by_kind[name] = payloads[0].metadata["encryption-key-id"]
    return by_kind


async def test_a_run_goes_on_through_a_rotation(history: WorkflowHistory) -> None:
    assert key_ids(history) == {
        "workflow_execution_started": b"old",
        "workflow_execution_signaled": b"new",
        "workflow_execution_completed": b"new",
    }


async def test_failures_are_encrypted_with_their_stack_traces(history: WorkflowHistory) -> None:
    (failed,) = [one for one in history.events if one.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED]
    failure = failed.activity_task_failed_event_attributes.failure
    assert (failure.message, failure.stack_trace) == ("Encoded failure", "")
    assert failure.encoded_attributes.metadata["encryption-key-id"] == b"new"
    assert failure.application_failure_info.type == "Refused"
    text = history.to_json()
    assert SECRET not in text
    assert "cus_4711" not in text


@pytest.mark.parametrize("keys", [(NEW, OLD), (OLD, NEW)])
async def test_a_history_of_both_keys_replays(keys: tuple[str, ...], history: WorkflowHistory) -> None:
    codec = encryption_codec(map(SecretStr, keys))
    await Replayer(workflows=[EncryptedRun], plugins=[temporal_plugin(codec)]).replay_workflow(history)


async def test_a_key_that_was_taken_out_too_early_stops_a_run_and_loses_none(
    time_server: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    queue = f"encrypted-{uuid.uuid4()}"
    async with polling(client_with(time_server, OLD), queue):
        handle = await started(client_with(time_server, OLD), queue)
    await client_with(time_server, NEW).get_workflow_handle(handle.id).signal("go", "go on")
    async with polling(client_with(time_server, NEW), queue), asyncio.timeout(20):
        while "'old', which PAYLOAD_ENCRYPTION_KEYS lacks" not in caplog.text:  # noqa: ASYNC110 (logs tell nobody)
            await asyncio.sleep(0.05)
    repaired = client_with(time_server, NEW, OLD)
    async with polling(repaired, queue):
        result = await repaired.get_workflow_handle_for(EncryptedRun.run, handle.id).result()
    assert result[:2] == ["cus_4711", "go on"]
