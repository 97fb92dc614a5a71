"""Charges go before reads in a provider's paced queue, and reads wait for their turn."""

from datetime import timedelta

from temporalio.api.enums.v1 import EventType as HistoryEvent

from core.events import EventType, State
from core.operators import Action, Command
from tests.support.builders import DAY
from tests.support.gateway import decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from workflows import options

LONGEST_BACKLOG = timedelta(minutes=30)
"""Charges that fall due together may take the whole pace for so long."""


async def scheduled_priorities(recovery_run: RecoveryRun) -> list[tuple[str, int]]:
    """Activity and priority key of every call to the provider, as Temporal's history has them."""
    history = await recovery_run.running_handle.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.event_type == HistoryEvent.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    return [(one.activity_type.name, one.priority.priority_key) for one in scheduled]


async def test_a_due_charge_goes_before_reads(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert await scheduled_priorities(recovery_run) == [("read_failure", 3), ("charge_invoice", 2)]


async def test_a_charge_that_an_operator_waits_for_goes_before_those_that_are_due(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")])
    now = await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(timedelta(minutes=1))
    await recovery_run.submit_update("retry_now", Command(action=Action.RETRY, actor="ann", reason="customer called"))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert now + DAY > recovery_run.first_record(EventType.CHARGE_REQUESTED).occurred_at
    charges = [key for name, key in await scheduled_priorities(recovery_run) if name == "charge_invoice"]
    assert charges == [1, 2]


async def test_a_provider_that_is_away_holds_a_decision_up_for_minutes_only(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(away=50)
    now = await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(timedelta(minutes=8))
    planned = recovery_run.first_record(EventType.RETRY_PLANNED).occurred_at
    assert planned - now < timedelta(minutes=6)
    assert recovery_run.gateway.away == 35
    # A run that stays open would be worked on by the next test's workers, which share the server.
    recovery_run.gateway.away = 0
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


def test_a_read_outlasts_the_longest_backlog_of_charges() -> None:
    limit = options.provider_read_options("stripe", "read")["schedule_to_close_timeout"]
    assert limit
    assert limit > LONGEST_BACKLOG
