"""The real workflow with late cards, pending payments, refused keys, and invoices out of scope."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from core.events import EventType, Record, State, format_timestamp
from core.operators import Action, Command
from core.payments import EventKind, InvoiceStatus
from core.recovery.invoice_check import FIRST_READ_DELAY
from tests.replay import paths
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import decline_result
from tests.support.mailbox import MemoryChannel
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from tests.workflows.test_messages import begin_at_ten

ENDS = [
    (paths.late_method, State.RECOVERED, "charged"),
    (paths.last_look, State.RECOVERED, "paid_elsewhere"),
    (paths.money_on_its_way, State.RECOVERED, "paid_elsewhere"),
    (paths.money_that_failed, State.RECOVERED, "charged"),
    (paths.key_revoked_and_mended, State.RECOVERED, "charged"),
    (paths.out_of_scope, State.CANCELED, "out_of_scope"),
    (paths.unfit_method, State.RECOVERED, "charged"),
]


@pytest.mark.parametrize(("path", "state", "reason"), ENDS, ids=lambda value: getattr(value, "__name__", ""))
async def test_each_path_has_its_expected_end(
    recovery_runs: RecoveryRuns, path: paths.Path, state: State, reason: str
) -> None:
    recovery_run = await path(recovery_runs)
    assert (await recovery_run.wait_for_end()).state is state
    assert recovery_run.first_record(EventType.RECOVERY_CLOSED).data["reason"] == reason


async def test_a_card_given_when_all_retries_are_used_is_charged_at_once(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await paths.late_method(recovery_runs)
    await recovery_run.wait_for_end()
    new_method, requested = (
        recovery_run.first_record(EventType.METHOD_UPDATED),
        recovery_run.all_records_of(EventType.CHARGE_REQUESTED)[-1],
    )
    assert requested.data["method_id"] == "pm_2"
    assert (requested.occurred_at - new_method.occurred_at).total_seconds() < 10


async def test_a_payment_when_all_retries_are_used_counts(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 4)
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(16 * DAY)
    await recovery_run.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_waiting_ends_with_the_window(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 4)
    started_at = await recovery_run.begin_with_failure()
    assert (await recovery_run.wait_for_end()).state is State.EXHAUSTED
    closed = recovery_run.first_record(EventType.RECOVERY_CLOSED)
    assert closed.data["reason"] == "budget"
    assert abs(closed.occurred_at - started_at - 21 * DAY) < HOUR


async def test_no_charge_beside_a_pending_payment(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await paths.money_on_its_way(recovery_runs)
    await recovery_run.wait_for_end()
    assert recovery_run.gateway.orders == []
    skips = [row for row in recovery_run.all_records_of(EventType.RETRY_SKIPPED) if row.data["action"] == "stand_back"]
    assert 2 <= len(skips) <= 12, "looks come seldom after a while"


async def test_wake_event_changes_nothing_while_the_provider_refuses_reads(
    recovery_runs: RecoveryRuns,
) -> None:
    recovery_run = await recovery_runs()
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(3 * DAY + HOUR)
    recovery_run.gateway.refuses = 1
    before = len(recovery_run.records)
    await recovery_run.send_event(an_event(EventKind.WAKE, occurred_at=now))
    await recovery_run.advance_clock(timedelta(minutes=1))
    assert [row.data.get("reason") for row in recovery_run.records[before:]] == ["provider_refused"]
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": False})
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_event_about_a_pending_payment_is_checked_at_once(recovery_runs: RecoveryRuns) -> None:
    """A failed debit is only a wake event; by then the regular looks come twice a day."""
    recovery_run = await recovery_runs()
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(3 * DAY + HOUR)
    skipped_at = recovery_run.all_records_of(EventType.RETRY_SKIPPED)[-1].data["at"]
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": False})
    await recovery_run.send_event(an_event(EventKind.WAKE, occurred_at=now))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    decided = recovery_run.all_records_of(EventType.FAILURE_CLASSIFIED)[-1].occurred_at
    assert decided - now < HOUR / 60
    assert format_timestamp(decided) < skipped_at


async def test_refused_key_is_shown_at_once_and_reported_once(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    recovery_run.gateway.refuses = 2
    await recovery_run.begin_with_failure()
    with recovery_run.environment.auto_time_skipping_disabled():
        assert (await _wait_for_record(recovery_run, EventType.RETRY_SKIPPED)).to_state is State.IN_REVIEW
    await recovery_run.advance_clock(3 * FIRST_READ_DELAY)
    refused = [row for row in recovery_run.records if row.data.get("reason") == "provider_refused"]
    assert [bool(row.data.get("again")) for row in refused] == [False, True]
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_an_unfit_method_does_not_move_the_schedule(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await paths.unfit_method(recovery_runs)
    await recovery_run.wait_for_end()
    planned = recovery_run.all_records_of(EventType.RETRY_PLANNED)
    assert len(planned) == 1
    assert [order.method_id for order in recovery_run.gateway.orders] == ["pm_2", None]


async def test_a_lost_event_changes_nothing(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    recovery_run.gateway.set_status(InvoiceStatus.VOID)
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert recovery_run.gateway.orders == []


async def _wait_for_record(recovery_run: RecoveryRun, kind: EventType) -> Record:
    for _ in range(100):
        if records := recovery_run.all_records_of(kind):
            return records[0]
        await recovery_run.environment.sleep(0.1)
    raise AssertionError(f"no {kind} in {recovery_run.event_types}")


async def test_provider_event_triggers_an_immediate_look(recovery_runs: RecoveryRuns) -> None:
    """A pending payment failed: the recovery decides now, not at the next regular look."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.advance_clock(2 * DAY)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": False})
    with recovery_run.environment.auto_time_skipping_disabled():
        now = await recovery_run.environment.get_current_time()
        await recovery_run.send_event(an_event(EventKind.WAKE, event_id="evt_failed", occurred_at=now))
        for _ in range(100):
            if len(recovery_run.all_records_of(EventType.RETRY_PLANNED)) == 2:
                break
            await recovery_run.environment.sleep(0.1)
    assert len(recovery_run.all_records_of(EventType.RETRY_PLANNED)) == 2
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_no_messages_while_a_payment_is_pending(recovery_runs: RecoveryRuns) -> None:
    """The first message was sent before the customer's payment: no second one, however long it takes."""
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(DAY)
    assert post.message_kinds == ["card_data"]
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.advance_clock(12 * DAY)
    assert post.message_kinds == ["card_data"]
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_unavailable_provider_is_read_again_before_giving_up(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("lost_card")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(20 * DAY)
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    recovery_run.gateway.away = 30
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert recovery_run.gateway.away == 0


async def test_retry_command_is_refused_while_the_key_is_refused(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.refuses = 1
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await recovery_run.submit_update("retry_now", Command(action=Action.RETRY, actor="ann"))
    assert "revoked" in str(refused.value.cause)
    assert recovery_run.gateway.orders == []
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
