"""Operator commands: reviews, retries, new methods, pauses, and attempts outside the schedule."""

import pytest

from core.classification.taxonomy import Cause
from core.events import EventType, State, Trigger
from core.operators import Action, Command, parse_command
from core.payments import EventKind
from core.recovery.machine import Charge, Decide, Read, Reconcile, Wait
from core.recovery.reactions import opening_event
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.recovery_scenario import (
    POLICY_FILE,
    SOFT_DECLINE,
    RecoveryScenario,
    scenario_in_flight,
    scenario_in_review,
    shipped_decision_config,
)

# --- reviews -------------------------------------------------------------------------------------------------------


def test_fraud_approved_waits_for_another_method() -> None:
    scenario = scenario_in_review()
    scenario.submit_command(Action.REVIEW, decision="approve")
    assert scenario.current_state() is State.AWAITING_CUSTOMER
    assert isinstance(scenario.next_step(), Wait)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_approved_configuration_failure_is_retried_once_at_once() -> None:
    scenario = scenario_in_review(Cause.CONFIGURATION)
    scenario.submit_command(Action.REVIEW, decision="approve")
    assert scenario.next_step() == Charge(trigger=Trigger.MANUAL)


@pytest.mark.parametrize("cause", [Cause.FRAUD, Cause.CONFIGURATION])
def test_review_rejection_ends_the_recovery(cause: Cause) -> None:
    scenario = scenario_in_review(cause)
    assert scenario.submit_command(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert scenario.ending == (State.BLOCKED, "rejected")


def test_a_new_method_waits_while_in_review_and_is_charged_after_the_approval() -> None:
    scenario = scenario_in_review()
    assert scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2") == ["payment_method.updated"]
    assert isinstance(scenario.next_step(), Wait)
    scenario.submit_command(Action.REVIEW, decision="approve")
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_only_an_operator_lifts_a_fraud_hold() -> None:
    scenario = scenario_in_review()
    scenario.receive_event(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=scenario.now))
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.IN_REVIEW


def test_a_command_of_two_people_names_both() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.RETRY, reason="sure", asked_by="bob", asked_reason="she called")
    data = next(record.data.stored for record in scenario.records if record.type is EventType.RETRY_REQUESTED)
    assert data.items() >= {"actor": "ann", "reason": "sure", "asked_by": "bob", "asked_reason": "she called"}.items()


def test_a_signal_of_two_people_names_both() -> None:
    command = Command(action=Action.RETRY, actor="ann", asked_by="bob", asked_reason="she called")
    assert parse_command(Action.RETRY, command.model_dump(mode="json")) == command


# --- what an operator wished before it was known better ------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.PERMANENT, Cause.CARD_DATA, Cause.FRAUD])
def test_retry_command_before_the_decision_is_dropped_for_a_hopeless_card(cause: Cause) -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.submit_command(Action.RETRY)
    scenario.decide_failure(cause)
    assert isinstance(scenario.next_step(), Wait)
    if cause is Cause.FRAUD:
        scenario.submit_command(Action.REVIEW, decision="approve")
        assert isinstance(scenario.next_step(), Wait), "approval is not a charge of the same card"


def test_retry_command_before_the_decision_is_carried_out_where_it_may_help() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.submit_command(Action.RETRY)
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.next_step() == Charge(trigger=Trigger.MANUAL)


def test_a_retry_command_names_the_new_method_that_waits() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.PERMANENT)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    scenario.submit_command(Action.RETRY)
    assert scenario.next_step() == Charge(trigger=Trigger.MANUAL, method_id="pm_2")


# --- new methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.PERMANENT, Cause.AUTHENTICATION_REQUIRED])
def test_a_new_method_is_tried_at_once_outside_of_the_budget(cause: Cause) -> None:
    scenario = RecoveryScenario().fail_payment(cause)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    scenario.request_charge()
    assert scenario.recovery.attempts_used == 0
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"
    assert scenario.recovery.method_id is None, "one attempt"


def test_a_new_method_that_came_during_a_charge_is_tried_after_its_decline() -> None:
    scenario = scenario_in_flight()
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert scenario.next_step() == Reconcile()
    scenario.record_answer(SOFT_DECLINE)
    scenario.decide_failure(Cause.PERMANENT)
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_new_method_that_came_during_the_last_charge_still_earns_its_attempt() -> None:
    scenario = RecoveryScenario().fail_payment()
    for _ in range(3):
        scenario_in_flight(scenario).record_answer(SOFT_DECLINE)
        scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario_in_flight(scenario)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    scenario.record_answer(SOFT_DECLINE)
    assert scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)[-1] == "retry.skipped"
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    scenario.request_charge()
    scenario.record_answer(SOFT_DECLINE)
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.AWAITING_CUSTOMER
    scenario.advance_clock(21 * DAY).take_last_look()
    assert scenario.ending == (State.EXHAUSTED, "budget")


# --- the schedule and tries out of turn ----------------------------------------------------------------------------


def scenario_after_manual_try(cause: Cause, wait_seconds: int | None = None) -> tuple[RecoveryScenario, object]:
    """A scenario whose manual retry failed after an hour for this cause, and the retry planned before."""
    scenario = RecoveryScenario().fail_payment().advance_clock(HOUR)
    planned = scenario.recovery.next_attempt_at
    scenario.submit_command(Action.RETRY)
    scenario.request_charge()
    scenario.record_answer(SOFT_DECLINE)
    scenario.decide_failure(cause, wait_seconds=wait_seconds)
    return scenario, planned


def test_unscheduled_attempt_keeps_the_schedule() -> None:
    scenario, planned = scenario_after_manual_try(Cause.GENERIC)
    assert scenario.recovery.next_attempt_at == planned


@pytest.mark.parametrize(("cause", "wait"), [(Cause.VELOCITY, None), (Cause.UNKNOWN, None), (Cause.GENERIC, 86_400)])
def test_unscheduled_attempt_may_lengthen_the_wait(cause: Cause, wait: int | None) -> None:
    scenario, _ = scenario_after_manual_try(cause, wait)
    at, failed_at = scenario.recovery.next_attempt_at, scenario.recovery.failed_at
    assert at
    assert failed_at
    assert at - failed_at >= DAY


def test_failed_attempt_of_the_provider_moves_the_schedule() -> None:
    scenario = RecoveryScenario().fail_payment().advance_clock(2 * HOUR)
    scenario.receive_event(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=scenario.now))
    assert scenario.next_step() == Read()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    at = scenario.recovery.next_attempt_at
    assert at
    assert at - scenario.now >= 3 * HOUR


def test_shown_budget_follows_a_changed_policy() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SOFT_DECLINE)
    scenario.decision_config = shipped_decision_config(
        POLICY_FILE.read_text().replace("attempts_allowed = 4", "attempts_allowed = 2")
    )
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.recovery.attempts_allowed == 2


# --- pauses --------------------------------------------------------------------------------------------------------


def test_a_pause_outlasts_the_due_time_and_resume_charges() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.PAUSE)
    assert scenario.current_state() is State.PAUSED
    assert scenario.advance_until_due().next_step() == Wait(until=None, why="paused by an operator")
    scenario.submit_command(Action.RESUME)
    assert scenario.current_state() is State.WAITING
    assert scenario.next_step() == Charge(trigger=Trigger.SCHEDULED)


def test_a_pause_outlasts_the_window_and_resume_gives_up() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.PAUSE)
    scenario.advance_clock(60 * DAY).submit_command(Action.RESUME)
    scenario.take_last_look()
    assert scenario.ending == (State.EXHAUSTED, "window")


def test_a_paused_recovery_decides_and_reconciles_but_charges_nothing() -> None:
    scenario = scenario_in_flight()
    scenario.submit_command(Action.PAUSE)
    assert (scenario.current_state(), scenario.next_step()) == (State.CHARGING, Reconcile())
    scenario.record_answer(SOFT_DECLINE)
    assert scenario.next_step() == Decide()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.PAUSED
    assert scenario.advance_until_due().next_step() == Wait(until=None, why="paused by an operator")


def test_a_new_method_waits_for_the_end_of_the_pause() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.PERMANENT)
    scenario.submit_command(Action.PAUSE)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert isinstance(scenario.next_step(), Wait)
    scenario.submit_command(Action.RESUME)
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
