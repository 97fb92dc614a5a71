"""The law of a recovery, told as short stories: what is to be done in each state, and what ends it how."""

from datetime import timedelta

import pytest

from core.classifier.taxonomy import Cause
from core.contracts import Action, Command
from core.errors import Refused
from core.events import EventType, State, Trigger, moment
from core.payments import ChargeResult, EventKind, InvoiceStatus, Outcome, Risk
from core.retry.machine import (
    LATE_BY,
    SETTLE_WAITS,
    Charge,
    Close,
    Decide,
    Done,
    Read,
    Settle,
    Wait,
    fold,
    next_step,
    settle_wait,
)
from core.retry.reactions import commanded, opening
from core.retry.recovery import Recovery
from tests.support.builders import DAY, HOUR, THEN, a_failure_event
from tests.support.gateway import SUCCEED, UNKNOWN, declined
from tests.support.story import OPEN, POLICY_FILE, Story, shipped_means

NOT_CHARGED = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")
SOFT = declined("insufficient_funds")


def in_flight(story: Story | None = None) -> Story:
    """A scheduled charge has been sent."""
    story = (story or Story().fails()).until_due()
    story.charges()
    return story


def reviewed(cause: Cause = Cause.FRAUD) -> Story:
    """It waits for an operator."""
    return Story().fails(cause)


# --- the main road -----------------------------------------------------------------------------------------


def test_a_failure_is_read_then_decided_then_waited_for_then_charged() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    assert story.step == Read()
    assert story.decides(Cause.INSUFFICIENT_FUNDS) == [
        "failure.classified",
        "customer.segmented",
        "fraud.assessed",
        "retry.planned",
    ]
    assert isinstance(story.step, Wait)
    story.until_due()
    assert story.step == Charge(trigger=Trigger.SCHEDULED)
    assert story.charges() == ["charge.requested"]
    assert story.step == Settle()
    assert story.answered(SUCCEED) == ["charge.succeeded", "recovery.closed"]
    assert story.ended == (State.RECOVERED, "charged")
    assert story.step == Done()


def test_states_follow_each_other_as_seen_from_outside() -> None:
    story = in_flight()
    story.answered(SUCCEED)
    assert [record.to_state.value for record in story.records] == [
        "received",
        "classified",
        "segmented",
        "segmented",
        "waiting",
        "charging",
        "charging",
        "recovered",
    ]
    assert story.records[0].from_state is None
    assert all(b.from_state == a.to_state for a, b in zip(story.records, story.records[1:], strict=False))


def test_a_decline_is_decided_on_and_the_next_delay_counts_from_the_attempt() -> None:
    story = in_flight()
    charged_at = story.now
    assert story.later(HOUR).answered(SOFT) == ["charge.declined"]
    assert story.step == Decide()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.recovery.failed_at == charged_at
    at = story.recovery.next_attempt_at
    assert at
    assert 24 * HOUR <= at - charged_at <= 27 * HOUR


def test_the_budget_ends_it() -> None:
    story = Story().fails()
    for _ in range(4):
        in_flight(story).answered(SOFT)
        story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.ended == (State.EXHAUSTED, "budget")
    assert (story.recovery.attempt, story.recovery.attempts_used) == (4, 4)


def test_the_window_ends_it_in_the_plan() -> None:
    story = in_flight(Story().fails())
    story.answered(SOFT)
    story.later(40 * DAY).decides(Cause.INSUFFICIENT_FUNDS)
    assert story.ended == (State.EXHAUSTED, "window")


@pytest.mark.parametrize(("late_by", "expected"), [(LATE_BY, Charge), (LATE_BY + timedelta(seconds=1), Close)])
def test_a_worker_that_was_down_may_charge_an_hour_after_the_window(late_by: timedelta, expected: type) -> None:
    story = Story().fails()
    ends = story.recovery.window_ends_at
    assert ends
    assert isinstance(next_step(story.recovery, ends + late_by), expected)


# --- causes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (Cause.GENERIC, State.WAITING),
        (Cause.INSUFFICIENT_FUNDS, State.WAITING),
        (Cause.TECHNICAL, State.WAITING),
        (Cause.VELOCITY, State.WAITING),
        (Cause.API_LIMIT, State.WAITING),
        (Cause.UNKNOWN, State.WAITING),
        (Cause.DUPLICATE, State.WAITING),
        (Cause.AUTHENTICATION_REQUIRED, State.AWAITING_CUSTOMER),
        (Cause.CARD_DATA, State.AWAITING_CUSTOMER),
        (Cause.PERMANENT, State.AWAITING_CUSTOMER),
        (Cause.FRAUD, State.IN_REVIEW),
        (Cause.CONFIGURATION, State.IN_REVIEW),
        (Cause.STOP_INSTRUCTION, State.BLOCKED),
    ],
)
def test_where_each_cause_leads(cause: Cause, state: State) -> None:
    assert Story().fails(cause).state is state


def test_every_cause_leads_somewhere() -> None:
    assert {Story().fails(cause).state for cause in Cause} <= set(State)


def test_a_stop_instruction_ends_it_also_with_a_new_method_at_hand() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.decides(Cause.STOP_INSTRUCTION)
    assert story.ended == (State.BLOCKED, "stop_instruction")


@pytest.mark.parametrize("risk", [Risk(disputed=True), Risk(early_warning=True)])
def test_a_disputed_payment_is_blocked_whatever_the_cause(risk: Risk) -> None:
    assert Story().fails(Cause.GENERIC, risk=risk).ended == (State.BLOCKED, "fraud")


def test_the_highest_risk_is_reviewed_whatever_the_cause() -> None:
    story = Story().fails(Cause.GENERIC, risk=Risk(level="highest"))
    assert story.recovery.fraud_hold
    assert story.state is State.IN_REVIEW


# --- deadlines ---------------------------------------------------------------------------------------------


def test_a_customer_who_never_acts_ends_it() -> None:
    story = Story().fails(Cause.PERMANENT)
    assert story.step == Wait(until=THEN + 21 * DAY, why="the customer must act")
    step = story.later(21 * DAY).step
    assert step == Close(state=State.EXHAUSTED, reason="customer_deadline")


@pytest.mark.parametrize(("cause", "state"), [(Cause.FRAUD, State.BLOCKED), (Cause.CONFIGURATION, State.EXHAUSTED)])
def test_a_review_that_nobody_gives(cause: Cause, state: State) -> None:
    story = reviewed(cause)
    assert isinstance(story.step, Wait)
    assert story.later(5 * DAY).step == Close(state=state, reason="review_overdue")


def test_the_customers_time_begins_when_the_review_is_over() -> None:
    """A review may take longer than the customer has: an approval must not end the recovery by being late."""
    text = "customer_deadline_days = 1\nreview_deadline_days = 9\n"
    shipped = POLICY_FILE.read_text()
    policy = shipped.replace("customer_deadline_days = 21\nreview_deadline_days = 5\n", text)
    assert policy != shipped
    story = Story(means=shipped_means(policy)).fails(Cause.FRAUD)
    assert story.later(8 * DAY).asked(Action.REVIEW, decision="approve") == ["operator.reviewed"]
    assert story.state is State.AWAITING_CUSTOMER
    assert isinstance(story.step, Wait)


# --- reviews -----------------------------------------------------------------------------------------------


def test_fraud_approved_waits_for_another_method() -> None:
    story = reviewed()
    story.asked(Action.REVIEW, decision="approve")
    assert story.state is State.AWAITING_CUSTOMER
    assert isinstance(story.step, Wait)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_setting_that_was_mended_is_tried_once_at_once() -> None:
    story = reviewed(Cause.CONFIGURATION)
    story.asked(Action.REVIEW, decision="approve")
    assert story.step == Charge(trigger=Trigger.MANUAL)


@pytest.mark.parametrize("cause", [Cause.FRAUD, Cause.CONFIGURATION])
def test_a_rejection_ends_it(cause: Cause) -> None:
    story = reviewed(cause)
    assert story.asked(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert story.ended == (State.BLOCKED, "rejected")


def test_a_new_method_is_held_while_in_review_and_charged_after_the_approval() -> None:
    story = reviewed()
    assert story.hears(EventKind.METHOD_UPDATED, method_id="pm_2") == ["payment_method.updated"]
    assert isinstance(story.step, Wait)
    story.asked(Action.REVIEW, decision="approve")
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_only_a_person_lifts_a_hold() -> None:
    story = reviewed()
    story.hears(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state is State.IN_REVIEW


# --- what an operator wished before it was known better -----------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.PERMANENT, Cause.CARD_DATA, Cause.FRAUD])
def test_a_retry_wished_before_the_decision_is_void_where_the_card_is_hopeless(cause: Cause) -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.asked(Action.RETRY)
    story.decides(cause)
    assert isinstance(story.step, Wait)
    if cause is Cause.FRAUD:
        story.asked(Action.REVIEW, decision="approve")
        assert isinstance(story.step, Wait), "approval is not a charge of the same card"


def test_a_retry_wished_before_the_decision_is_made_where_it_may_help() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.asked(Action.RETRY)
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.step == Charge(trigger=Trigger.MANUAL)


def test_a_wish_to_retry_names_the_new_method_that_waits() -> None:
    story = Story().fails(Cause.PERMANENT)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.asked(Action.RETRY)
    assert story.step == Charge(trigger=Trigger.MANUAL, method_id="pm_2")


# --- new methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.PERMANENT, Cause.AUTHENTICATION_REQUIRED])
def test_a_new_method_is_tried_at_once_outside_of_the_budget(cause: Cause) -> None:
    story = Story().fails(cause)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.charges()
    assert story.recovery.attempts_used == 0
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"
    assert story.recovery.method_id is None, "one attempt"


def test_a_new_method_that_came_during_a_charge_is_tried_after_its_decline() -> None:
    story = in_flight()
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.step == Settle()
    story.answered(SOFT)
    story.decides(Cause.PERMANENT)
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_a_new_method_that_came_during_the_last_charge_still_earns_its_attempt() -> None:
    story = Story().fails()
    for _ in range(3):
        in_flight(story).answered(SOFT)
        story.decides(Cause.INSUFFICIENT_FUNDS)
    in_flight(story)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    story.answered(SOFT)
    assert story.decides(Cause.INSUFFICIENT_FUNDS)[-1] == "retry.skipped"
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")
    story.charges()
    story.answered(SOFT)
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.ended == (State.EXHAUSTED, "budget")


# --- the schedule and tries out of turn --------------------------------------------------------------------


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
    assert story.step == Read()
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


# --- pauses ------------------------------------------------------------------------------------------------


def test_a_pause_outlasts_the_due_time_and_resume_charges() -> None:
    story = Story().fails()
    story.asked(Action.PAUSE)
    assert story.state is State.PAUSED
    assert story.until_due().step == Wait(until=None, why="paused by an operator")
    story.asked(Action.RESUME)
    assert story.state is State.WAITING
    assert story.step == Charge(trigger=Trigger.SCHEDULED)


def test_a_pause_outlasts_the_window_and_resume_gives_up() -> None:
    story = Story().fails()
    story.asked(Action.PAUSE)
    story.later(60 * DAY).asked(Action.RESUME)
    assert story.ended == (State.EXHAUSTED, "window")


def test_a_paused_recovery_decides_and_settles_but_charges_nothing() -> None:
    story = in_flight()
    story.asked(Action.PAUSE)
    assert (story.state, story.step) == (State.CHARGING, Settle())
    story.answered(SOFT)
    assert story.step == Decide()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state is State.PAUSED
    assert story.until_due().step == Wait(until=None, why="paused by an operator")


def test_a_new_method_waits_for_the_end_of_the_pause() -> None:
    story = Story().fails(Cause.PERMANENT)
    story.asked(Action.PAUSE)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert isinstance(story.step, Wait)
    story.asked(Action.RESUME)
    assert story.step == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


# --- a charge in flight ------------------------------------------------------------------------------------

WORDS_IN_FLIGHT = [
    (EventKind.DISPUTE_OPENED, (State.BLOCKED, "dispute")),
    (EventKind.FRAUD_WARNING, (State.BLOCKED, "early_fraud_warning")),
    (EventKind.INVOICE_VOIDED, (State.CANCELED, "voided")),
    (EventKind.INVOICE_UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    (EventKind.INVOICE_PAID, (State.RECOVERED, "paid_elsewhere")),
]


@pytest.mark.parametrize(("kind", "end"), WORDS_IN_FLIGHT)
@pytest.mark.parametrize("result", [SOFT, NOT_CHARGED])
def test_what_ends_it_waits_for_the_definite_answer(
    kind: EventKind, end: tuple[State, str], result: ChargeResult
) -> None:
    story = in_flight()
    assert len(story.hears(kind)) == 1
    assert (story.state, story.step) == (State.CHARGING, Settle())
    assert story.answered(result)[-1] == "recovery.closed"
    assert story.ended == end


@pytest.mark.parametrize("kind", [kind for kind, _ in WORDS_IN_FLIGHT])
def test_money_that_came_in_beats_every_other_ending(kind: EventKind) -> None:
    story = in_flight()
    story.hears(kind)
    story.answered(SUCCEED)
    assert story.ended == (State.RECOVERED, "charged")


@pytest.mark.parametrize(
    ("result", "end"), [(SUCCEED, (State.RECOVERED, "charged")), (SOFT, (State.CANCELED, "operator"))]
)
def test_a_cancel_during_a_charge_counts_only_where_it_did_not_succeed(
    result: ChargeResult, end: tuple[State, str]
) -> None:
    story = in_flight()
    assert story.asked(Action.CANCEL) == ["operator.cancel_requested"]
    assert story.step == Settle()
    story.answered(UNKNOWN)
    story.answered(result, by_reading=True)
    assert story.ended == end


def test_the_first_ending_stands() -> None:
    story = in_flight()
    story.asked(Action.CANCEL)
    story.hears(EventKind.DISPUTE_OPENED)
    story.answered(SOFT)
    assert story.ended == (State.CANCELED, "operator")


@pytest.mark.parametrize(("result", "step"), [(SUCCEED, Done()), (SOFT, Decide()), (NOT_CHARGED, Read())])
def test_an_unknown_charge_is_reconciled_and_only_then_it_goes_on(result: ChargeResult, step: object) -> None:
    story = in_flight()
    assert story.answered(UNKNOWN) == ["charge.unknown"]
    assert story.answered(UNKNOWN, by_reading=True) == [], "written down once"
    assert story.step == Settle()
    assert story.later(HOUR).answered(result, by_reading=True)[0] == "charge.reconciled"
    assert story.step == step


def test_each_attempt_has_its_own_number_and_key() -> None:
    story = Story().fails()
    for _ in range(3):
        in_flight(story).answered(SOFT)
        story.decides(Cause.INSUFFICIENT_FUNDS)
    requested = [record for record in story.records if record.type is EventType.CHARGE_REQUESTED]
    assert [record.attempt for record in requested] == [1, 2, 3]
    assert [record.data["idempotency_key"] for record in requested] == [f"pri-stripe-in_1-{n}" for n in (1, 2, 3)]


# --- before a charge ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (InvoiceStatus.PAID, (State.RECOVERED, "paid_elsewhere")),
        (InvoiceStatus.VOID, (State.CANCELED, "voided")),
        (InvoiceStatus.UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    ],
)
def test_an_invoice_that_needs_nothing_any_more_is_not_charged(status: InvoiceStatus, end: tuple[State, str]) -> None:
    story = Story().fails().until_due()
    assert "charge.requested" not in story.charges(OPEN.model_copy(update={"status": status}))
    assert story.ended == end


def test_a_disputed_invoice_is_not_charged() -> None:
    story = Story().fails().until_due()
    story.charges(OPEN.model_copy(update={"disputed": True}))
    assert story.ended == (State.BLOCKED, "dispute")


def test_an_invoice_that_nobody_knows_goes_to_the_operators() -> None:
    story = Story().fails().until_due()
    assert story.charges(OPEN.model_copy(update={"status": InvoiceStatus.MISSING})) == ["retry.skipped"]
    assert story.state is State.IN_REVIEW


def test_before_the_providers_own_retry_we_stand_down_and_its_failure_moves_the_schedule() -> None:
    story = Story().fails().until_due()
    provider_tries = story.now + DAY
    assert story.charges(OPEN.model_copy(update={"next_provider_attempt": provider_tries})) == ["retry.skipped"]
    assert moment(story.last(EventType.RETRY_SKIPPED).data["at"]) == story.recovery.next_attempt_at
    story.later(DAY)
    story.hears(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    at = story.recovery.next_attempt_at
    assert at
    assert at - provider_tries >= 3 * HOUR, "counted from the provider's failure, not from our second look"


def test_while_a_payment_is_under_way_no_other_is_begun() -> None:
    story = Story().fails().until_due()
    assert story.charges(OPEN.model_copy(update={"processing": True})) == ["retry.skipped"]
    assert story.last(EventType.RETRY_SKIPPED).data["reason"] == "payment_under_way"
    assert isinstance(story.step, Wait)


# --- the rest ----------------------------------------------------------------------------------------------


def test_a_refused_wish_is_in_the_log_without_effect() -> None:
    story = Story().fails()
    before = story.recovery
    story.write(commanded(Command(action=Action.CANCEL), story.now, refused="closed"))
    assert story.recovery == before.having(sequence=before.sequence + 1)


def test_the_state_is_nothing_but_its_log() -> None:
    story = in_flight()
    story.answered(SOFT)
    assert fold(Recovery(provider="stripe", invoice_id="in_1"), story.records) == story.recovery


def test_settling_asks_seldom_in_the_end() -> None:
    waits = [settle_wait(tries) for tries in range(20)]
    assert waits == sorted(waits)
    assert waits[-1] == SETTLE_WAITS[-1]
    assert all(wait > timedelta(0) for wait in waits)


def test_a_review_is_not_lost_by_a_word_that_is_no_decision() -> None:
    story = reviewed()
    with pytest.raises(Refused):
        story.asked(Action.REVIEW, decision="maybe")
    assert story.state is State.IN_REVIEW
