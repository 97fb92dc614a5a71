"""What operators can do to a running recovery, by update, by signal, and by Temporal's own cancel."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.approvals import ApprovalCheck
from core.approvals import OperatorRules
from core.contracts import Action, Command, RecoveryStatus
from core.events import Event, EventType, State
from core.payments import EventKind
from core.retry.machine import fold_records
from core.retry.recovery import Recovery
from tests.support.builders import DAY, HOUR, an_event, data_without_policy
from tests.support.gateway import UNKNOWN, decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

ANN = {"actor": "ann", "reason": "customer called"}


def command_of(action: Action, **more: Any) -> Command:
    """A command of Ann's."""
    return Command(action=action, **ANN, **more)


async def refusal_code(campaign: RecoveryRun, update: str, command: Command) -> str:
    """The code with which an update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await campaign.submit_update(update, command)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "Refused"
    return str(cause.details[0])


async def test_retry_now_charges_at_once_and_leaves_the_budget_alone(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("insufficient_funds")])
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    status = await campaign.submit_update("retry_now", command_of(Action.RETRY))
    assert (status.attempt, status.attempts_used, status.state) == (1, 0, State.WAITING)
    planned = campaign.all_records_of(EventType.RETRY_PLANNED)
    assert planned[0].data["at"] == planned[1].data["at"], "a manual try does not move the schedule"
    assert campaign.first_record(EventType.CHARGE_REQUESTED).data["trigger"] == "manual"
    assert (await campaign.wait_for_end()).state is State.RECOVERED


async def test_cancel_ends_it(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    assert (await campaign.submit_update("cancel", command_of(Action.CANCEL))).state is State.CANCELED
    await campaign.wait_for_end()
    assert data_without_policy(campaign.first_record(EventType.CANCEL_REQUESTED)) == ANN
    assert campaign.gateway.orders == []


async def test_a_pause_outlasts_the_due_time_and_resume_charges(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    assert (await campaign.submit_update("pause", command_of(Action.PAUSE))).state is State.PAUSED
    await campaign.advance_clock(2 * DAY)
    assert campaign.gateway.orders == []
    assert await refusal_code(campaign, "retry_now", command_of(Action.RETRY)) == "paused"
    await campaign.submit_update("resume", command_of(Action.RESUME))
    assert (await campaign.wait_for_end()).state is State.RECOVERED


async def test_a_paused_recovery_still_hears_that_the_invoice_was_paid(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.submit_update("pause", command_of(Action.PAUSE))
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await campaign.wait_for_end()).state is State.RECOVERED


@pytest.mark.parametrize(
    ("code", "expected"),
    [("lost_card", "hard_decline"), ("expired_card", "hard_decline"), ("fraudulent", "fraud_hold")],
)
async def test_retry_now_is_refused_with_the_reason(campaigns: RecoveryRuns, code: str, expected: str) -> None:
    campaign = await campaigns(code)
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    assert await refusal_code(campaign, "retry_now", command_of(Action.RETRY)) == expected
    assert "operator.retry_requested" not in campaign.event_types
    await campaign.submit_update("cancel", command_of(Action.CANCEL))
    await campaign.wait_for_end()


async def test_a_charge_whose_result_is_unknown_is_in_flight_for_everybody(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN])
    campaign.gateway.reconciliations = [UNKNOWN] * 4
    campaign.gateway.idempotency = None
    await campaign.begin_with_failure()
    with campaign.environment.auto_time_skipping_disabled():
        await campaign.environment.sleep(4 * HOUR)
        assert await refusal_code(campaign, "retry_now", command_of(Action.RETRY)) == "in_flight"
        status = await campaign.submit_update("cancel", command_of(Action.CANCEL))
    assert status.state is State.CHARGING, "a cancel waits for the definite answer"
    campaign.gateway.reconciliations = [decline_result("insufficient_funds")]
    assert (await campaign.wait_for_end()).state is State.CANCELED


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_review_decides_about_fraud(campaigns: RecoveryRuns, decision: str) -> None:
    campaign = await campaigns("fraudulent")
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    status = await campaign.submit_update("review", command_of(Action.REVIEW, decision=decision))
    assert status.state is (State.AWAITING_CUSTOMER if decision == "approve" else State.BLOCKED)
    if decision == "approve":
        await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    assert (await campaign.wait_for_end()).state is (State.RECOVERED if decision == "approve" else State.BLOCKED)


@pytest.mark.parametrize(
    ("given", "actor", "reason"),
    [
        ((), "temporal", ""),
        (("because",), "temporal", "because"),
        ((7,), "temporal", "7"),
        (([1, 2],), "temporal", "[1, 2]"),
        (({"actor": "bo", "reason": "asked", "x": 1},), "bo", "asked"),
    ],
)
async def test_signals_take_anything_or_nothing(
    campaigns: RecoveryRuns, given: tuple[Any, ...], actor: str, reason: str
) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.signal("cancel", *given)
    assert (await campaign.wait_for_end()).state is State.CANCELED
    assert data_without_policy(campaign.first_record(EventType.CANCEL_REQUESTED)) == {"actor": actor, "reason": reason}


@pytest.mark.parametrize("way", ["update", "signal"])
async def test_a_command_of_two_people_is_in_the_log_with_both(campaigns: RecoveryRuns, way: str) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    both = command_of(Action.CANCEL, asked_by="bob", asked_reason="she called")
    if way == "update":
        await campaign.submit_update("cancel", both)
    else:
        await campaign.running_handle.signal("cancel", both)
    await campaign.wait_for_end()
    told = campaign.first_record(EventType.CANCEL_REQUESTED).data.stored
    assert told.items() >= (ANN | {"asked_by": "bob", "asked_reason": "she called"}).items()


async def test_a_signal_that_cannot_be_followed_is_in_the_log_without_effect(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("lost_card")
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.signal("retry_now")
    await campaign.advance_clock(HOUR)
    assert campaign.first_record(EventType.RETRY_REQUESTED).data["refused"] == "hard_decline"
    assert campaign.gateway.orders == []
    await campaign.running_handle.signal("cancel")
    assert (await campaign.wait_for_end()).state is State.CANCELED


async def test_temporals_own_cancel_means_cancel(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.cancel()
    assert (await campaign.wait_for_end()).state is State.CANCELED
    assert data_without_policy(campaign.first_record(EventType.CANCEL_REQUESTED)) == {
        "actor": "temporal",
        "reason": "cancel request",
    }


async def test_the_same_command_sent_twice_has_one_effect(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("insufficient_funds")])
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    once = command_of(Action.RETRY, request_id="req_1")
    await campaign.submit_update("retry_now", once)
    await campaign.running_handle.signal("retry_now", once)
    status = await campaign.running_handle.query("status", result_type=RecoveryStatus)
    assert status.attempt == 1
    assert campaign.event_types.count("operator.retry_requested") == 1
    await campaign.wait_for_end()


async def test_fifty_impatient_operators_make_one_charge(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    calls = (campaign.submit_update("retry_now", command_of(Action.RETRY)) for _ in range(50))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(answer, RecoveryStatus) for answer in answers)
    assert (await campaign.wait_for_end()).state is State.RECOVERED
    assert campaign.gateway.success_count == 1
    assert campaign.event_types.count("charge.succeeded") == 1


async def test_a_cancel_is_not_lost_where_the_log_is_ahead_of_the_workflow(campaigns: RecoveryRuns) -> None:
    """As after a charge whose activity timed out behind its committed row."""
    campaign = await campaigns()
    campaign.gateway.reconciliations = [decline_result("insufficient_funds")]
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    ahead = fold_records(Recovery(provider="stripe", invoice_id=campaign.invoice_id), campaign.records)
    order = {"idempotency_key": "key", "trigger": "scheduled", "amount": 4900, "currency": "EUR"}
    requested = Event(type=EventType.CHARGE_REQUESTED, occurred_at=now, attempt=1, data=order)
    await campaign.log.append_events(ahead, (requested,), now)

    await campaign.running_handle.signal("cancel", ANN)

    assert (await campaign.wait_for_end()).state is State.CANCELED
    assert campaign.event_types[-4:] == [
        "charge.requested",
        "operator.cancel_requested",
        "charge.reconciled",
        "recovery.closed",
    ]
    assert campaign.gateway.success_count == 0


async def is_granted_to_two(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
    """One request only."""
    return request_id == "req_of_two"


TWO_PEOPLE = ApprovalCheck(lambda: OperatorRules(second_approver_above={"EUR": 4899}), is_granted_to_two)


async def test_above_the_amount_a_signal_charges_nothing_and_is_in_the_log(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(approvals=TWO_PEOPLE)
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.signal("retry_now", ANN | {"asked_by": "bob"})
    await campaign.running_handle.signal("retry_now")
    await campaign.advance_clock(HOUR)
    assert [record.data["refused"] for record in campaign.all_records_of(EventType.RETRY_REQUESTED)] == [
        "second_approver"
    ] * 2
    assert campaign.gateway.orders == []
    assert (await campaign.wait_for_end()).state is State.RECOVERED, "the schedule goes on"


async def test_above_the_amount_an_update_takes_two(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(approvals=TWO_PEOPLE)
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    assert (
        await refusal_code(campaign, "retry_now", command_of(Action.RETRY, request_id="req_of_one"))
        == "second_approver"
    )
    assert "operator.retry_requested" not in campaign.event_types
    both = command_of(Action.RETRY, request_id="req_of_two", asked_by="bob", asked_reason="she called")
    assert (await campaign.submit_update("retry_now", both)).attempt == 1
    assert (await campaign.wait_for_end()).state is State.RECOVERED


@pytest.mark.parametrize("way", ["signal", "update"])
async def test_above_the_amount_an_approval_takes_two(campaigns: RecoveryRuns, way: str) -> None:
    campaign = await campaigns("fraudulent", approvals=TWO_PEOPLE)
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    alone = command_of(Action.REVIEW, decision="approve", request_id="req_of_one")
    if way == "signal":
        await campaign.running_handle.signal("review", alone)
        await campaign.advance_clock(HOUR)
        assert campaign.first_record(EventType.REVIEWED).data["refused"] == "second_approver"
    else:
        assert await refusal_code(campaign, "review", alone) == "second_approver"
    assert (await campaign.running_handle.query("status", result_type=RecoveryStatus)).state is State.IN_REVIEW
    await campaign.submit_update("review", command_of(Action.REVIEW, decision="reject"))
    assert (await campaign.wait_for_end()).state is State.BLOCKED
