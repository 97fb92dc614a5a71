"""The schedule that keeps the relay going."""

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
from workflows.names import QUEUE, RELAY_SCHEDULE, RELAY_WORKFLOW

RELAY_EVERY = timedelta(seconds=10)


async def ensure_relay(client: Client) -> None:
    """Create the schedule; one that is there stays as an operator may have changed it. Raises RPCError."""
    action = ScheduleActionStartWorkflow(
        "Relay", RelayInput(), id=RELAY_WORKFLOW, task_queue=QUEUE, static_summary="deliver what the inbox still holds"
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RELAY_EVERY)])
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=timedelta(minutes=1))
    try:
        await client.create_schedule(RELAY_SCHEDULE, Schedule(action=action, spec=spec, policy=policy))
    except ScheduleAlreadyRunningError:
        return
