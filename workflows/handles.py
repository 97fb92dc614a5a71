"""Runs of recoveries, reached by Temporal: what `intake.recovery_runs.RecoveryRuns` promises."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import RecoveryInput, RecoveryStatus, SendWebhookInput, SimulationInput
from core.errors import CommandRefused, EngineUnavailable, InvalidInput, NotFound, RunClosed
from core.ids import recovery_id
from core.operators import Action, Command
from core.payments import ProviderEvent
from workflows.options import RECOVERY_QUEUE, RELAY_SCHEDULE, charge_queue

Answer = TypeVar("Answer")
MESSAGE_NAMES = {
    Action.RETRY: "retry_now",
    Action.CANCEL: "cancel",
    Action.PAUSE: "pause",
    Action.RESUME: "resume",
    Action.REVIEW: "review",
}


class TemporalRecoveryRuns:
    """The runs of recoveries, as workflows. The client may be lazy: a server that is away is an answer, not a crash."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start_recovery(self, event: ProviderEvent) -> None:
        """Signal with start: the running recovery hears the event, or a new one opens with it."""
        await call_temporal(self._start_run(event.provider, event.invoice_id or "", event))

    async def ensure_running(self, provider: str, invoice_id: str) -> bool:
        """A run for a recovery without one; it goes on from its log."""
        before = await call_temporal(self._run_id(recovery_id(provider, invoice_id)))
        handle = await call_temporal(self._start_run(provider, invoice_id, None))
        return handle.result_run_id != before

    async def send_event(self, recovery_id: str, event: ProviderEvent) -> None:
        """Signal a running recovery."""
        handle = self._client.get_workflow_handle(recovery_id)
        await call_temporal(handle.signal("provider_event", event))

    async def submit_command(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """Put the command as an update; where no worker answers in time, leave it as a signal."""
        handle = self._client.get_workflow_handle(recovery_id)
        try:
            return await asyncio.wait_for(_execute_update(handle, command), patience.total_seconds())
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            return await _leave_signal(handle, command)

    async def signal_command(self, recovery_id: str, command: Command) -> None:
        """Leave the command as a signal."""
        handle = self._client.get_workflow_handle(recovery_id)
        await call_temporal(handle.signal(MESSAGE_NAMES[command.action], command))

    async def is_polled(self, provider: str) -> bool:
        """Whether a worker has asked the provider's queue for activities in the last minutes."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=charge_queue(provider)),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        answer = await call_temporal(self._client.workflow_service.describe_task_queue(request))
        return bool(answer.pollers)

    async def trigger_relay(self) -> None:
        """Have the relay pass over the inbox now instead of at its next turn."""
        await call_temporal(self._client.get_schedule_handle(RELAY_SCHEDULE).trigger())

    async def _start_run(
        self, provider: str, invoice_id: str, event: ProviderEvent | None
    ) -> "WorkflowHandle[object, object]":
        try:
            return await self._client.start_workflow(
                "PaymentRecovery",
                RecoveryInput(provider=provider, invoice_id=invoice_id),
                id=recovery_id(provider, invoice_id),
                task_queue=RECOVERY_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"Recovery of {provider} invoice {invoice_id}",
                start_signal="provider_event" if event else None,
                start_signal_args=[event] if event else [],
            )
        except WorkflowAlreadyStartedError as closed:
            raise RunClosed(f"{provider} invoice {invoice_id}: its recovery has completed") from closed

    async def _run_id(self, workflow_id: str) -> str | None:
        try:
            return (await self._client.get_workflow_handle(workflow_id).describe()).run_id
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


def webhook_poster(client: Client) -> Callable[[str, int], Awaitable[None]]:
    """Begins the posting of webhooks: one workflow for each notice and address, however often it is asked for."""

    async def start_post(notice_id: str, target: int) -> None:
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await call_temporal(
                client.start_workflow(
                    "PostWebhook",
                    SendWebhookInput(notice_id=notice_id, target=target),
                    id=f"webhook-{notice_id}-{target}",
                    task_queue=RECOVERY_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    static_summary="an outgoing webhook",
                )
            )

    return start_post


async def _leave_signal(handle: "WorkflowHandle[object, object]", command: Command) -> RecoveryStatus | None:
    """Leave the command as a signal; where the recovery ended meanwhile, perhaps by this command, say what it said."""
    try:
        await call_temporal(handle.signal(MESSAGE_NAMES[command.action], command))
        return None
    except NotFound:
        if command.request_id is None:
            raise
    return await _await_update(handle.get_update_handle(command.request_id, result_type=RecoveryStatus).result())


async def _execute_update(handle: "WorkflowHandle[object, object]", command: Command) -> RecoveryStatus:
    update = MESSAGE_NAMES[command.action]
    return await _await_update(
        handle.execute_update(update, command, id=command.request_id, result_type=RecoveryStatus)
    )


async def _await_update(answer: Awaitable[object]) -> RecoveryStatus:
    """What an update answers. Raises CommandRefused, NotFound, EngineUnavailable."""
    try:
        return RecoveryStatus.model_validate(await answer)
    except WorkflowUpdateFailedError as failed:
        raise _refusal_from(failed) from failed
    except RPCError as error:
        raise _translate_error(error) from error
    except RuntimeError as never_connected:
        raise EngineUnavailable("Temporal cannot be reached") from never_connected


def _refusal_from(failed: WorkflowUpdateFailedError) -> CommandRefused:
    cause = failed.cause
    if isinstance(cause, ApplicationError) and cause.type == "Refused":
        return CommandRefused(str(cause.details[0]), cause.message)
    return CommandRefused("closed", "This recovery ended while it was asked.")


async def call_temporal(call: Awaitable[Answer]) -> Answer:
    """The answer. Raises NotFound for no running workflow, EngineUnavailable for no Temporal."""
    try:
        return await call
    except RPCError as error:
        raise _translate_error(error) from error
    except (RuntimeError, TimeoutError, OSError) as away:
        raise EngineUnavailable("Temporal cannot be reached") from away


def _translate_error(error: RPCError) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFound("no run of this recovery is open")
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return InvalidInput("Temporal can't take this message, now or later")
    return EngineUnavailable(f"Temporal answered {error.status.name}")


class TemporalSimulations:
    """Dry runs as workflows. The client may be lazy: a server that is away is an answer, not a crash."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start_simulation(self, simulation_id: str) -> None:
        """Have it computed; once."""
        try:
            await call_temporal(self._start_run(simulation_id))
        except WorkflowAlreadyStartedError:
            return

    async def cancel_simulation(self, simulation_id: str) -> None:
        """Ask it to end."""
        await call_temporal(self._client.get_workflow_handle(_workflow_id(simulation_id)).cancel())

    async def _start_run(self, simulation_id: str) -> None:
        await self._client.start_workflow(
            "Simulation",
            SimulationInput(simulation_id=simulation_id),
            id=_workflow_id(simulation_id),
            task_queue=RECOVERY_QUEUE,
            static_summary="Dry run of a retry policy",
        )


def _workflow_id(simulation_id: str) -> str:
    return f"simulation-{simulation_id}"
