"""The schedules that keep relay and notices going."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from core.contracts import RelayInput
from core.messages.contracts import DeliverNoticesInput
from workflows.names import NOTICE_SCHEDULE, NOTICE_WORKFLOW, RECOVERY_QUEUE, RELAY_SCHEDULE, RELAY_WORKFLOW

RELAY_EVERY = timedelta(seconds=10)
NOTICES_EVERY = timedelta(seconds=10)


async def ensure_relay_schedule(client: Client) -> None:
    """Create the schedule; one that is there stays as an operator may have changed it. Raises RPCError."""
    action = ScheduleActionStartWorkflow(
        "Relay",
        RelayInput(),
        id=RELAY_WORKFLOW,
        task_queue=RECOVERY_QUEUE,
        static_summary="deliver what the inbox still holds",
    )
    await _ensure_schedule(client, RELAY_SCHEDULE, action, RELAY_EVERY)


async def ensure_notice_schedule(client: Client) -> None:
    """Create the schedule for operators and outgoing webhooks; one that is there stays. Raises RPCError."""
    summary = "tell operators and other systems"
    action = ScheduleActionStartWorkflow(
        "Tell", DeliverNoticesInput(), id=NOTICE_WORKFLOW, task_queue=RECOVERY_QUEUE, static_summary=summary
    )
    await _ensure_schedule(client, NOTICE_SCHEDULE, action, NOTICES_EVERY)


async def _ensure_schedule(client: Client, name: str, action: ScheduleActionStartWorkflow, every: timedelta) -> None:
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=timedelta(minutes=1))
    try:
        await client.create_schedule(name, Schedule(action=action, spec=spec, policy=policy))
    except ScheduleAlreadyRunningError:
        return
