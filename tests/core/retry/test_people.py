"""What people do to a recovery: reviews, wishes, new methods, pauses, tries out of turn."""

import pytest

from core.classifier.taxonomy import Cause
from core.contracts import Action, Command, read_command
from core.events import EventType, State, Trigger
from core.payments import EventKind
from core.retry.machine import (
    Charge,
    Decide,
    Read,
    Settle,
    Wait,
)
from core.retry.reactions import opening
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.story import POLICY_FILE, SOFT, Story, in_flight, reviewed, shipped_means

# --- reviews -------------------------------------------------------------------------------------------------------


def test_fraud_approved_waits_for_another_method() -> None:
    story = reviewed()
    story.asked(Action.REVIEW, decision="approve")
    assert story.state() is State.AWAITING_CUSTOMER
    assert isinstance(story.step(), Wait)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_setting_that_was_mended_is_tried_once_at_once() -> None:
    story = reviewed(Cause.CONFIGURATION)
    story.asked(Action.REVIEW, decision="approve")
    assert story.step() == Charge(trigger=Trigger.MANUAL)


@pytest.mark.parametrize("cause", [Cause.FRAUD, Cause.CONFIGURATION])
def test_a_rejection_ends_it(cause: Cause) -> None:
    story = reviewed(cause)
    assert story.asked(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert story.ended == (State.BLOCKED, "rejected")


def test_a_new_method_is_held_while_in_review_and_charged_after_the_approval() -> None:
    story = reviewed()
    assert story.hears(EventKind.METHOD_UPDATED, method_id="pm_2") == ["payment_method.updated"]
    assert isinstance(story.step(), Wait)
    story.asked(Action.REVIEW, decision="approve")
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_only_a_person_lifts_a_hold() -> None:
    story = reviewed()
    story.hears(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state() is State.IN_REVIEW


def test_a_wish_of_two_people_names_both() -> None:
    story = Story().fails()
    story.asked(Action.RETRY, reason="sure", asked_by="bob", asked_reason="she called")
    told = next(record.data.stored for record in story.records if record.type is EventType.RETRY_REQUESTED)
    assert told.items() >= {"actor": "ann", "reason": "sure", "asked_by": "bob", "asked_reason": "she called"}.items()


def test_a_signal_of_two_people_names_both() -> None:
    sent = Command(action=Action.RETRY, actor="ann", asked_by="bob", asked_reason="she called")
    assert read_command(Action.RETRY, sent.model_dump(mode="json")) == sent


# --- what an operator wished before it was known better ------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.PERMANENT, Cause.CARD_DATA, Cause.FRAUD])
def test_a_retry_wished_before_the_decision_is_void_where_the_card_is_hopeless(cause: Cause) -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.asked(Action.RETRY)
    story.decides(cause)
    assert isinstance(story.step(), Wait)
    if cause is Cause.FRAUD:
        story.asked(Action.REVIEW, decision="approve")
        assert isinstance(story.step(), Wait), "approval is not a charge of the same card"


def test_a_retry_wished_before_the_decision_is_made_where_it_may_help() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.asked(Action.RETRY)
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.step() == Charge(trigger=Trigger.MANUAL)


def test_a_wish_to_retry_names_the_new_method_that_waits() -> None:
    story = Story().fails(Cause.PERMANENT)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.asked(Action.RETRY)
    assert story.step() == Charge(trigger=Trigger.MANUAL, method_id="pm_2")


# --- new methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.PERMANENT, Cause.AUTHENTICATION_REQUIRED])
def test_a_new_method_is_tried_at_once_outside_of_the_budget(cause: Cause) -> None:
    story = Story().fails(cause)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.charges()
    assert story.recovery.attempts_used == 0
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"
    assert story.recovery.method_id is None, "one attempt"


def test_a_new_method_that_came_during_a_charge_is_tried_after_its_decline() -> None:
    story = in_flight()
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step() == Settle()
    story.answered(SOFT)
    story.decides(Cause.PERMANENT)
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_new_method_that_came_during_the_last_charge_still_earns_its_attempt() -> None:
    story = Story().fails()
    for _ in range(3):
        in_flight(story).answered(SOFT)
        story.decides(Cause.INSUFFICIENT_FUNDS)
    in_flight(story)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.answered(SOFT)
    assert story.decides(Cause.INSUFFICIENT_FUNDS)[-1] == "retry.skipped"
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.charges()
    story.answered(SOFT)
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state() is State.AWAITING_CUSTOMER
    story.later(21 * DAY).looks()
    assert story.ended == (State.EXHAUSTED, "budget")


# --- the schedule and tries out of turn ----------------------------------------------------------------------------


def manual_try(cause: Cause, wait_seconds: int | None = None) -> tuple[Story, object]:
    """An operator's try after an hour fails for this cause; with the moment that was planned before."""
    story = Story().fails().later(HOUR)
    planned = story.recovery.next_attempt_at
    story.asked(Action.RETRY)
    story.charges()
    story.answered(SOFT)
    story.decides(cause, wait_seconds=wait_seconds)
    return story, planned


def test_a_try_out_of_turn_does_not_move_the_schedule() -> None:
    story, planned = manual_try(Cause.GENERIC)
    assert story.recovery.next_attempt_at == planned


@pytest.mark.parametrize(("cause", "wait"), [(Cause.VELOCITY, None), (Cause.UNKNOWN, None), (Cause.GENERIC, 86_400)])
def test_a_try_out_of_turn_that_calls_for_a_longer_wait_gets_it(cause: Cause, wait: int | None) -> None:
    story, _ = manual_try(cause, wait)
    at, failed_at = story.recovery.next_attempt_at, story.recovery.failed_at
    assert at
    assert failed_at
    assert at - failed_at >= DAY


def test_a_failure_that_the_provider_caused_does_move_it() -> None:
    story = Story().fails().later(2 * HOUR)
    story.hears(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    assert story.step() == Read()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    at = story.recovery.next_attempt_at
    assert at
    assert at - story.now >= 3 * HOUR


def test_a_changed_policy_is_the_budget_that_is_shown() -> None:
    story = in_flight()
    story.answered(SOFT)
    story.means = shipped_means(POLICY_FILE.read_text().replace("attempts_allowed = 4", "attempts_allowed = 2"))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.recovery.attempts_allowed == 2


# --- pauses --------------------------------------------------------------------------------------------------------


def test_a_pause_outlasts_the_due_time_and_resume_charges() -> None:
    story = Story().fails()
    story.asked(Action.PAUSE)
    assert story.state() is State.PAUSED
    assert story.until_due().step() == Wait(until=None, why="paused by an operator")
    story.asked(Action.RESUME)
    assert story.state() is State.WAITING
    assert story.step() == Charge(trigger=Trigger.SCHEDULED)


def test_a_pause_outlasts_the_window_and_resume_gives_up() -> None:
    story = Story().fails()
    story.asked(Action.PAUSE)
    story.later(60 * DAY).asked(Action.RESUME)
    story.looks()
    assert story.ended == (State.EXHAUSTED, "window")


def test_a_paused_recovery_decides_and_settles_but_charges_nothing() -> None:
    story = in_flight()
    story.asked(Action.PAUSE)
    assert (story.state(), story.step()) == (State.CHARGING, Settle())
    story.answered(SOFT)
    assert story.step() == Decide()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state() is State.PAUSED
    assert story.until_due().step() == Wait(until=None, why="paused by an operator")


def test_a_new_method_waits_for_the_end_of_the_pause() -> None:
    story = Story().fails(Cause.PERMANENT)
    story.asked(Action.PAUSE)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert isinstance(story.step(), Wait)
    story.asked(Action.RESUME)
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
