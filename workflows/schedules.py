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
from core.messages.contracts import HandOverInput
from workflows.names import QUEUE, RELAY_SCHEDULE, RELAY_WORKFLOW, TELL_SCHEDULE, TELL_WORKFLOW

RELAY_EVERY = timedelta(seconds=10)
TELL_EVERY = timedelta(seconds=10)


async def ensure_relay(client: Client) -> None:
    """Create the schedule; one that is there stays as an operator may have changed it. Raises RPCError."""
    action = ScheduleActionStartWorkflow(
        "Relay", RelayInput(), id=RELAY_WORKFLOW, task_queue=QUEUE, static_summary="deliver what the inbox still holds"
    )
    await _ensure(client, RELAY_SCHEDULE, action, RELAY_EVERY)


async def ensure_telling(client: Client) -> None:
    """Create the schedule for operators and outgoing webhooks; one that is there stays. Raises RPCError."""
    summary = "tell operators and other systems"
    action = ScheduleActionStartWorkflow(
        "Tell", HandOverInput(), id=TELL_WORKFLOW, task_queue=QUEUE, static_summary=summary
    )
    await _ensure(client, TELL_SCHEDULE, action, TELL_EVERY)


async def _ensure(client: Client, name: str, action: ScheduleActionStartWorkflow, every: timedelta) -> None:
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=timedelta(minutes=1))
    try:
        await client.create_schedule(name, Schedule(action=action, spec=spec, policy=policy))
    except ScheduleAlreadyRunningError:
        return
