"""Operator commands to a running recovery: by update, by signal, and by Temporal's own cancel."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.recording import ApprovalCheck
from core.contracts import RecoveryStatus
from core.events import Event, EventType, State
from core.operators import Action, Command, OperatorRules
from core.payments import EventKind
from core.recovery.machine import fold_records
from core.recovery.state import Recovery
from core.redaction.text import REDACTED
from tests.support.builders import DAY, HOUR, a_failure_event, an_event, data_without_policy
from tests.support.gateway import UNKNOWN, decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

ANN = {"actor": "ann", "reason": "customer called"}


def command_of(action: Action, **more: Any) -> Command:
    """A command of operator Ann."""
    return Command(action=action, **ANN, **more)


async def refusal_code(recovery_run: RecoveryRun, update: str, command: Command) -> str:
    """The code with which the update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as excinfo:
        await recovery_run.submit_update(update, command)
    cause = excinfo.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "Refused"
    return str(cause.details[0])


async def test_retry_now_charges_at_once_and_leaves_the_budget_alone(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")])
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    status = await recovery_run.submit_update("retry_now", command_of(Action.RETRY))
    assert (status.attempt, status.attempts_used, status.state) == (1, 0, State.WAITING)
    planned = recovery_run.all_records_of(EventType.RETRY_PLANNED)
    assert planned[0].data["at"] == planned[1].data["at"], "a manual try does not move the schedule"
    assert recovery_run.first_record(EventType.CHARGE_REQUESTED).data["trigger"] == "manual"
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_cancel_ends_the_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    assert (await recovery_run.submit_update("cancel", command_of(Action.CANCEL))).state is State.CANCELED
    await recovery_run.wait_for_end()
    assert data_without_policy(recovery_run.first_record(EventType.CANCEL_REQUESTED)) == ANN
    assert recovery_run.gateway.orders == []


async def test_a_pause_outlasts_the_due_time_and_resume_charges(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    assert (await recovery_run.submit_update("pause", command_of(Action.PAUSE))).state is State.PAUSED
    await recovery_run.advance_clock(2 * DAY)
    assert recovery_run.gateway.orders == []
    assert await refusal_code(recovery_run, "retry_now", command_of(Action.RETRY)) == "paused"
    await recovery_run.submit_update("resume", command_of(Action.RESUME))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_paused_recovery_still_handles_a_payment(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.submit_update("pause", command_of(Action.PAUSE))
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


@pytest.mark.parametrize(
    ("code", "expected"),
    [("lost_card", "hard_decline"), ("expired_card", "hard_decline"), ("fraudulent", "fraud_hold")],
)
async def test_retry_now_is_refused_with_the_reason(recovery_runs: RecoveryRuns, code: str, expected: str) -> None:
    recovery_run = await recovery_runs(code)
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    assert await refusal_code(recovery_run, "retry_now", command_of(Action.RETRY)) == expected
    assert "operator.retry_requested" not in recovery_run.event_types
    await recovery_run.submit_update("cancel", command_of(Action.CANCEL))
    await recovery_run.wait_for_end()


async def test_unknown_charge_refuses_commands_as_in_flight(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN])
    recovery_run.gateway.reconciliations = [UNKNOWN] * 4
    recovery_run.gateway.idempotency = None
    await recovery_run.begin_with_failure()
    with recovery_run.environment.auto_time_skipping_disabled():
        await recovery_run.environment.sleep(4 * HOUR)
        assert await refusal_code(recovery_run, "retry_now", command_of(Action.RETRY)) == "in_flight"
        status = await recovery_run.submit_update("cancel", command_of(Action.CANCEL))
    assert status.state is State.CHARGING, "a cancel waits for the definite answer"
    recovery_run.gateway.reconciliations = [decline_result("insufficient_funds")]
    assert (await recovery_run.wait_for_end()).state is State.CANCELED


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_review_decides_about_fraud(recovery_runs: RecoveryRuns, decision: str) -> None:
    recovery_run = await recovery_runs("fraudulent")
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    status = await recovery_run.submit_update("review", command_of(Action.REVIEW, decision=decision))
    assert status.state is (State.AWAITING_CUSTOMER if decision == "approve" else State.BLOCKED)
    if decision == "approve":
        await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    assert (await recovery_run.wait_for_end()).state is (State.RECOVERED if decision == "approve" else State.BLOCKED)


@pytest.mark.parametrize(
    ("arguments", "actor", "reason"),
    [
        ((), "temporal", ""),
        (("because",), "temporal", "because"),
        ((7,), "temporal", "7"),
        (([1, 2],), "temporal", "[1, 2]"),
        (({"actor": "bo", "reason": "asked", "x": 1},), "bo", "asked"),
    ],
)
async def test_signals_accept_any_arguments(
    recovery_runs: RecoveryRuns, arguments: tuple[Any, ...], actor: str, reason: str
) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.signal("cancel", *arguments)
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert data_without_policy(recovery_run.first_record(EventType.CANCEL_REQUESTED)) == {
        "actor": actor,
        "reason": reason,
    }


@pytest.mark.parametrize("sender", ["update", "signal"])
async def test_a_command_of_two_people_is_in_the_log_with_both(recovery_runs: RecoveryRuns, sender: str) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    both = command_of(Action.CANCEL, asked_by="bob", asked_reason="she called")
    if sender == "update":
        await recovery_run.submit_update("cancel", both)
    else:
        await recovery_run.running_handle.signal("cancel", both)
    await recovery_run.wait_for_end()
    data = recovery_run.first_record(EventType.CANCEL_REQUESTED).data.stored
    assert data.items() >= (ANN | {"asked_by": "bob", "asked_reason": "she called"}).items()


async def test_refused_signal_is_recorded_without_effect(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("lost_card")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.signal("retry_now")
    await recovery_run.advance_clock(HOUR)
    assert recovery_run.first_record(EventType.RETRY_REQUESTED).data["refused"] == "hard_decline"
    assert recovery_run.gateway.orders == []
    await recovery_run.running_handle.signal("cancel")
    assert (await recovery_run.wait_for_end()).state is State.CANCELED


async def test_temporal_cancel_request_cancels_the_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.cancel()
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert data_without_policy(recovery_run.first_record(EventType.CANCEL_REQUESTED)) == {
        "actor": "temporal",
        "reason": "cancel request",
    }


async def test_the_same_command_sent_twice_has_one_effect(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")])
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    command = command_of(Action.RETRY, request_id="req_1")
    await recovery_run.submit_update("retry_now", command)
    await recovery_run.running_handle.signal("retry_now", command)
    status = await recovery_run.running_handle.query("status", result_type=RecoveryStatus)
    assert status.attempt == 1
    assert recovery_run.event_types.count("operator.retry_requested") == 1
    await recovery_run.wait_for_end()


async def test_fifty_concurrent_retry_commands_make_one_charge(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    calls = (recovery_run.submit_update("retry_now", command_of(Action.RETRY)) for _ in range(50))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(answer, RecoveryStatus) for answer in answers)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert recovery_run.gateway.success_count == 1
    assert recovery_run.event_types.count("charge.succeeded") == 1


async def test_a_cancel_is_not_lost_where_the_log_is_ahead_of_the_workflow(recovery_runs: RecoveryRuns) -> None:
    """As after a charge whose activity timed out behind its committed row."""
    recovery_run = await recovery_runs()
    recovery_run.gateway.reconciliations = [decline_result("insufficient_funds")]
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    ahead = fold_records(Recovery(provider="stripe", invoice_id=recovery_run.invoice_id), recovery_run.records)
    order = {"idempotency_key": "key", "trigger": "scheduled", "amount": 4900, "currency": "EUR"}
    requested = Event(type=EventType.CHARGE_REQUESTED, occurred_at=now, attempt=1, data=order)
    await recovery_run.log.append_events(ahead, (requested,), now)

    await recovery_run.running_handle.signal("cancel", ANN)

    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert recovery_run.event_types[-4:] == [
        "charge.requested",
        "operator.cancel_requested",
        "charge.reconciled",
        "recovery.closed",
    ]
    assert recovery_run.gateway.success_count == 0


async def test_a_new_run_carries_out_a_stored_cancel_before_a_charge_that_is_due(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    failed_at = await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.terminate("lost, and a cancel signal with it")
    recovery_run.log.commands[recovery_run.running_handle.id] = [command_of(Action.CANCEL, request_id="req_1")]
    await recovery_run.advance_clock(5 * HOUR)
    await recovery_run.send_event(a_failure_event(occurred_at=failed_at))
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert recovery_run.first_record(EventType.CANCEL_REQUESTED).data["request_id"] == "req_1"
    assert recovery_run.gateway.orders == []


async def is_granted_to_two(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
    """Whether this is the one request that two people made."""
    return request_id == "req_of_two"


TWO_PEOPLE = ApprovalCheck(lambda: OperatorRules(second_approver_above={"EUR": 4899}), is_granted_to_two)


async def test_signal_above_the_amount_is_recorded_without_a_charge(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(approvals=TWO_PEOPLE)
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.signal("retry_now", ANN | {"asked_by": "bob"})
    await recovery_run.running_handle.signal("retry_now")
    await recovery_run.advance_clock(HOUR)
    assert [record.data["refused"] for record in recovery_run.all_records_of(EventType.RETRY_REQUESTED)] == [
        "second_approver"
    ] * 2
    assert recovery_run.gateway.orders == []
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED, "the schedule goes on"


async def test_update_above_the_amount_needs_two_people(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(approvals=TWO_PEOPLE)
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    assert (
        await refusal_code(recovery_run, "retry_now", command_of(Action.RETRY, request_id="req_of_one"))
        == "second_approver"
    )
    assert "operator.retry_requested" not in recovery_run.event_types
    both = command_of(Action.RETRY, request_id="req_of_two", asked_by="bob", asked_reason="she called")
    assert (await recovery_run.submit_update("retry_now", both)).attempt == 1
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


@pytest.mark.parametrize("sender", ["signal", "update"])
async def test_approval_above_the_amount_needs_two_people(recovery_runs: RecoveryRuns, sender: str) -> None:
    recovery_run = await recovery_runs("fraudulent", approvals=TWO_PEOPLE)
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    alone = command_of(Action.REVIEW, decision="approve", request_id="req_of_one")
    if sender == "signal":
        await recovery_run.running_handle.signal("review", alone)
        await recovery_run.advance_clock(HOUR)
        assert recovery_run.first_record(EventType.REVIEWED).data["refused"] == "second_approver"
    else:
        assert await refusal_code(recovery_run, "review", alone) == "second_approver"
    assert (await recovery_run.running_handle.query("status", result_type=RecoveryStatus)).state is State.IN_REVIEW
    await recovery_run.submit_update("review", command_of(Action.REVIEW, decision="reject"))
    assert (await recovery_run.wait_for_end()).state is State.BLOCKED


@pytest.mark.parametrize("sender", ["signal", "text", "update"])
async def test_what_an_operator_types_is_redacted_in_the_log(recovery_runs: RecoveryRuns, sender: str) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    reason = "4242 4242 4242 4242 is ann@example.com, token xoxb-2345678901-abcdefGHIJ"
    if sender == "update":
        # As a client that isn't ours would send it: our own model redacts before it is sent.
        command = Command.model_construct(
            action=Action.CANCEL, actor="ann", reason=reason, request_id="4242424242424242"
        )
        await recovery_run.submit_update("cancel", command)
    else:
        given = reason if sender == "text" else {"reason": reason, "request_id": "ann@example.com", "actor": "ann"}
        await recovery_run.running_handle.signal("cancel", given)
    await recovery_run.wait_for_end()
    data = recovery_run.first_record(EventType.CANCEL_REQUESTED).data
    assert data["reason"] == f"{REDACTED} is {REDACTED}, token {REDACTED}"
    assert data.get("request_id") not in {"4242424242424242", "ann@example.com"}
