"""What people do to a recovery: reviews, wishes, new methods, pauses, tries out of turn."""

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
    story = scenario_in_review()
    story.submit_command(Action.REVIEW, decision="approve")
    assert story.current_state() is State.AWAITING_CUSTOMER
    assert isinstance(story.next_step(), Wait)
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_setting_that_was_mended_is_tried_once_at_once() -> None:
    story = scenario_in_review(Cause.CONFIGURATION)
    story.submit_command(Action.REVIEW, decision="approve")
    assert story.next_step() == Charge(trigger=Trigger.MANUAL)


@pytest.mark.parametrize("cause", [Cause.FRAUD, Cause.CONFIGURATION])
def test_a_rejection_ends_it(cause: Cause) -> None:
    story = scenario_in_review(cause)
    assert story.submit_command(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert story.ending == (State.BLOCKED, "rejected")


def test_a_new_method_waits_while_in_review_and_is_charged_after_the_approval() -> None:
    story = scenario_in_review()
    assert story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2") == ["payment_method.updated"]
    assert isinstance(story.next_step(), Wait)
    story.submit_command(Action.REVIEW, decision="approve")
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_only_a_person_lifts_a_hold() -> None:
    story = scenario_in_review()
    story.receive_event(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert story.current_state() is State.IN_REVIEW


def test_a_command_of_two_people_names_both() -> None:
    story = RecoveryScenario().fail_payment()
    story.submit_command(Action.RETRY, reason="sure", asked_by="bob", asked_reason="she called")
    told = next(record.data.stored for record in story.records if record.type is EventType.RETRY_REQUESTED)
    assert told.items() >= {"actor": "ann", "reason": "sure", "asked_by": "bob", "asked_reason": "she called"}.items()


def test_a_signal_of_two_people_names_both() -> None:
    sent = Command(action=Action.RETRY, actor="ann", asked_by="bob", asked_reason="she called")
    assert parse_command(Action.RETRY, sent.model_dump(mode="json")) == sent


# --- what an operator wished before it was known better ------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.PERMANENT, Cause.CARD_DATA, Cause.FRAUD])
def test_a_retry_asked_for_before_the_decision_is_void_where_the_card_is_hopeless(cause: Cause) -> None:
    story = RecoveryScenario()
    story.append_events(opening_event(a_failure_event()))
    story.submit_command(Action.RETRY)
    story.decide_failure(cause)
    assert isinstance(story.next_step(), Wait)
    if cause is Cause.FRAUD:
        story.submit_command(Action.REVIEW, decision="approve")
        assert isinstance(story.next_step(), Wait), "approval is not a charge of the same card"


def test_a_retry_asked_for_before_the_decision_is_made_where_it_may_help() -> None:
    story = RecoveryScenario()
    story.append_events(opening_event(a_failure_event()))
    story.submit_command(Action.RETRY)
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert story.next_step() == Charge(trigger=Trigger.MANUAL)


def test_a_retry_command_names_the_new_method_that_waits() -> None:
    story = RecoveryScenario().fail_payment(Cause.PERMANENT)
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.submit_command(Action.RETRY)
    assert story.next_step() == Charge(trigger=Trigger.MANUAL, method_id="pm_2")


# --- new methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.PERMANENT, Cause.AUTHENTICATION_REQUIRED])
def test_a_new_method_is_tried_at_once_outside_of_the_budget(cause: Cause) -> None:
    story = RecoveryScenario().fail_payment(cause)
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.request_charge()
    assert story.recovery.attempts_used == 0
    assert story.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"
    assert story.recovery.method_id is None, "one attempt"


def test_a_new_method_that_came_during_a_charge_is_tried_after_its_decline() -> None:
    story = scenario_in_flight()
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.next_step() == Reconcile()
    story.record_answer(SOFT_DECLINE)
    story.decide_failure(Cause.PERMANENT)
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_new_method_that_came_during_the_last_charge_still_earns_its_attempt() -> None:
    story = RecoveryScenario().fail_payment()
    for _ in range(3):
        scenario_in_flight(story).record_answer(SOFT_DECLINE)
        story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario_in_flight(story)
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.record_answer(SOFT_DECLINE)
    assert story.decide_failure(Cause.INSUFFICIENT_FUNDS)[-1] == "retry.skipped"
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.request_charge()
    story.record_answer(SOFT_DECLINE)
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert story.current_state() is State.AWAITING_CUSTOMER
    story.advance_clock(21 * DAY).take_last_look()
    assert story.ending == (State.EXHAUSTED, "budget")


# --- the schedule and tries out of turn ----------------------------------------------------------------------------


def scenario_after_manual_try(cause: Cause, wait_seconds: int | None = None) -> tuple[RecoveryScenario, object]:
    """An operator's try after an hour fails for this cause; with the moment that was planned before."""
    story = RecoveryScenario().fail_payment().advance_clock(HOUR)
    planned = story.recovery.next_attempt_at
    story.submit_command(Action.RETRY)
    story.request_charge()
    story.record_answer(SOFT_DECLINE)
    story.decide_failure(cause, wait_seconds=wait_seconds)
    return story, planned


def test_a_try_out_of_turn_does_not_move_the_schedule() -> None:
    story, planned = scenario_after_manual_try(Cause.GENERIC)
    assert story.recovery.next_attempt_at == planned


@pytest.mark.parametrize(("cause", "wait"), [(Cause.VELOCITY, None), (Cause.UNKNOWN, None), (Cause.GENERIC, 86_400)])
def test_a_try_out_of_turn_that_calls_for_a_longer_wait_gets_it(cause: Cause, wait: int | None) -> None:
    story, _ = scenario_after_manual_try(cause, wait)
    at, failed_at = story.recovery.next_attempt_at, story.recovery.failed_at
    assert at
    assert failed_at
    assert at - failed_at >= DAY


def test_a_failure_that_the_provider_caused_does_move_it() -> None:
    story = RecoveryScenario().fail_payment().advance_clock(2 * HOUR)
    story.receive_event(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    assert story.next_step() == Read()
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    at = story.recovery.next_attempt_at
    assert at
    assert at - story.now >= 3 * HOUR


def test_a_changed_policy_is_the_budget_that_is_shown() -> None:
    story = scenario_in_flight()
    story.record_answer(SOFT_DECLINE)
    story.decision_config = shipped_decision_config(
        POLICY_FILE.read_text().replace("attempts_allowed = 4", "attempts_allowed = 2")
    )
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert story.recovery.attempts_allowed == 2


# --- pauses --------------------------------------------------------------------------------------------------------


def test_a_pause_outlasts_the_due_time_and_resume_charges() -> None:
    story = RecoveryScenario().fail_payment()
    story.submit_command(Action.PAUSE)
    assert story.current_state() is State.PAUSED
    assert story.advance_until_due().next_step() == Wait(until=None, why="paused by an operator")
    story.submit_command(Action.RESUME)
    assert story.current_state() is State.WAITING
    assert story.next_step() == Charge(trigger=Trigger.SCHEDULED)


def test_a_pause_outlasts_the_window_and_resume_gives_up() -> None:
    story = RecoveryScenario().fail_payment()
    story.submit_command(Action.PAUSE)
    story.advance_clock(60 * DAY).submit_command(Action.RESUME)
    story.take_last_look()
    assert story.ending == (State.EXHAUSTED, "window")


def test_a_paused_recovery_decides_and_reconciles_but_charges_nothing() -> None:
    story = scenario_in_flight()
    story.submit_command(Action.PAUSE)
    assert (story.current_state(), story.next_step()) == (State.CHARGING, Reconcile())
    story.record_answer(SOFT_DECLINE)
    assert story.next_step() == Decide()
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert story.current_state() is State.PAUSED
    assert story.advance_until_due().next_step() == Wait(until=None, why="paused by an operator")


def test_a_new_method_waits_for_the_end_of_the_pause() -> None:
    story = RecoveryScenario().fail_payment(Cause.PERMANENT)
    story.submit_command(Action.PAUSE)
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert isinstance(story.next_step(), Wait)
    story.submit_command(Action.RESUME)
    assert story.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
