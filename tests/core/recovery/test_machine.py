"""The state machine as short scenarios: the next step in each state, and how each recovery ends."""

from datetime import timedelta

import pytest

from core.classification.taxonomy import Cause
from core.errors import CommandRefused
from core.events import Event, EventType, State, Trigger, parse_timestamp
from core.operators import Action, Command
from core.payments import EventKind, InvoiceStatus, Risk
from core.recovery.commands import command_event
from core.recovery.machine import (
    LATE_CHARGE_TOLERANCE,
    RECONCILE_DELAYS,
    Charge,
    Close,
    Decide,
    Done,
    Read,
    Reconcile,
    Wait,
    append_events,
    begins_with_events,
    fold_records,
    next_step,
    reconcile_delay,
)
from core.recovery.reactions import opening_event
from core.recovery.state import Recovery
from tests.support.builders import DAY, HOUR, THEN, a_failure_event
from tests.support.gateway import SUCCEED
from tests.support.recovery_scenario import (
    OPEN_INVOICE,
    POLICY_FILE,
    SOFT_DECLINE,
    RecoveryScenario,
    scenario_in_flight,
    scenario_in_review,
    shipped_decision_config,
)

# --- the main road -------------------------------------------------------------------------------------------------


def test_a_failure_is_read_then_decided_then_waited_for_then_charged() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    assert scenario.next_step() == Read()
    assert scenario.decide_failure(Cause.INSUFFICIENT_FUNDS) == [
        "failure.classified",
        "customer.segmented",
        "fraud.assessed",
        "retry.planned",
    ]
    assert isinstance(scenario.next_step(), Wait)
    scenario.advance_until_due()
    assert scenario.next_step() == Charge(trigger=Trigger.SCHEDULED)
    assert scenario.request_charge() == ["charge.requested"]
    assert scenario.next_step() == Reconcile()
    assert scenario.record_answer(SUCCEED) == ["charge.succeeded", "recovery.closed"]
    assert scenario.ending == (State.RECOVERED, "charged")
    assert scenario.next_step() == Done()


def test_states_follow_each_other_as_seen_from_outside() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SUCCEED)
    assert [record.to_state.value for record in scenario.records] == [
        "received",
        "classified",
        "segmented",
        "segmented",
        "waiting",
        "charging",
        "charging",
        "recovered",
    ]
    assert scenario.records[0].from_state is None
    assert all(b.from_state == a.to_state for a, b in zip(scenario.records, scenario.records[1:], strict=False))


def test_a_decline_is_decided_on_and_the_next_delay_counts_from_the_attempt() -> None:
    scenario = scenario_in_flight()
    charged_at = scenario.now
    assert scenario.advance_clock(HOUR).record_answer(SOFT_DECLINE) == ["charge.declined"]
    assert scenario.next_step() == Decide()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.recovery.failed_at == charged_at
    at = scenario.recovery.next_attempt_at
    assert at
    assert 24 * HOUR <= at - charged_at <= 27 * HOUR


def test_exhausted_budget_ends_the_recovery() -> None:
    scenario = RecoveryScenario().fail_payment()
    for _ in range(4):
        scenario_in_flight(scenario).record_answer(SOFT_DECLINE)
        scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.AWAITING_CUSTOMER, "until its window ends, the customer may still pay"
    assert scenario.next_step() == Wait(until=scenario.recovery.window_ends_at, why="the customer must act")
    scenario.advance_clock(21 * DAY).take_last_look()
    assert scenario.ending == (State.EXHAUSTED, "budget")
    assert (scenario.recovery.attempt, scenario.recovery.attempts_used) == (4, 4)


def test_plan_beyond_the_window_ends_the_recovery() -> None:
    scenario = scenario_in_flight(RecoveryScenario().fail_payment())
    scenario.record_answer(SOFT_DECLINE)
    scenario.advance_clock(40 * DAY).decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario.take_last_look()
    assert scenario.ending == (State.EXHAUSTED, "window")


@pytest.mark.parametrize(
    ("late_by", "expected"), [(LATE_CHARGE_TOLERANCE, Charge), (LATE_CHARGE_TOLERANCE + timedelta(seconds=1), Close)]
)
def test_a_worker_that_was_down_may_charge_an_hour_after_the_window(late_by: timedelta, expected: type) -> None:
    scenario = RecoveryScenario().fail_payment()
    ends = scenario.recovery.window_ends_at
    assert ends
    assert isinstance(next_step(scenario.recovery, ends + late_by), expected)


# --- causes --------------------------------------------------------------------------------------------------------


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
def test_state_after_each_cause(cause: Cause, state: State) -> None:
    assert RecoveryScenario().fail_payment(cause).current_state() is state


def test_every_cause_leads_to_a_known_state() -> None:
    assert {RecoveryScenario().fail_payment(cause).current_state() for cause in Cause} <= set(State)


def test_stop_instruction_ends_the_recovery_despite_a_new_method() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    scenario.decide_failure(Cause.STOP_INSTRUCTION)
    assert scenario.ending == (State.BLOCKED, "stop_instruction")


@pytest.mark.parametrize("risk", [Risk(disputed=True), Risk(early_warning=True)])
def test_a_disputed_payment_is_blocked_whatever_the_cause(risk: Risk) -> None:
    assert RecoveryScenario().fail_payment(Cause.GENERIC, risk=risk).ending == (State.BLOCKED, "fraud")


def test_the_highest_risk_is_reviewed_whatever_the_cause() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.GENERIC, risk=Risk(level="highest"))
    assert scenario.recovery.fraud_hold
    assert scenario.current_state() is State.IN_REVIEW


# --- deadlines -----------------------------------------------------------------------------------------------------


def test_customer_deadline_ends_the_recovery() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.PERMANENT)
    assert scenario.next_step() == Wait(until=THEN + 21 * DAY, why="the customer must act")
    step = scenario.advance_clock(21 * DAY).next_step()
    assert step == Close(state=State.EXHAUSTED, reason="customer_deadline", read_first=True)


@pytest.mark.parametrize(("cause", "state"), [(Cause.FRAUD, State.BLOCKED), (Cause.CONFIGURATION, State.EXHAUSTED)])
def test_overdue_review_ends_the_recovery(cause: Cause, state: State) -> None:
    scenario = scenario_in_review(cause)
    assert isinstance(scenario.next_step(), Wait)
    assert scenario.advance_clock(5 * DAY).next_step() == Close(
        state=state, reason="review_overdue", read_first=state is State.EXHAUSTED
    )


def test_customer_deadline_starts_after_the_review() -> None:
    """A review may take longer than the customer's deadline: a late approval must not end the recovery."""
    text = "customer_deadline_days = 1\nreview_deadline_days = 9\n"
    shipped = POLICY_FILE.read_text()
    policy = shipped.replace("customer_deadline_days = 21\nreview_deadline_days = 5\n", text)
    assert policy != shipped
    scenario = RecoveryScenario(decision_config=shipped_decision_config(policy)).fail_payment(Cause.FRAUD)
    assert scenario.advance_clock(8 * DAY).submit_command(Action.REVIEW, decision="approve") == ["operator.reviewed"]
    assert scenario.current_state() is State.AWAITING_CUSTOMER
    assert isinstance(scenario.next_step(), Wait)


# --- before a charge -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (InvoiceStatus.PAID, (State.RECOVERED, "paid_elsewhere")),
        (InvoiceStatus.VOID, (State.CANCELED, "voided")),
        (InvoiceStatus.UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    ],
)
def test_closed_invoice_is_not_charged(status: InvoiceStatus, end: tuple[State, str]) -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert "charge.requested" not in scenario.request_charge(OPEN_INVOICE.model_copy(update={"status": status}))
    assert scenario.ending == end


def test_a_disputed_invoice_is_not_charged() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    scenario.request_charge(OPEN_INVOICE.model_copy(update={"disputed": True}))
    assert scenario.ending == (State.BLOCKED, "dispute")


def test_missing_invoice_goes_to_review() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(OPEN_INVOICE.model_copy(update={"status": InvoiceStatus.MISSING})) == [
        "retry.skipped"
    ]
    assert scenario.current_state() is State.IN_REVIEW


def test_recovery_stands_back_before_the_providers_retry_whose_failure_moves_the_schedule() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    provider_tries = scenario.now + DAY
    assert scenario.request_charge(OPEN_INVOICE.model_copy(update={"next_provider_attempt": provider_tries})) == [
        "retry.skipped"
    ]
    assert (
        parse_timestamp(scenario.last_record(EventType.RETRY_SKIPPED).data["at"]) == scenario.recovery.next_attempt_at
    )
    scenario.advance_clock(DAY)
    scenario.receive_event(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=scenario.now))
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    at = scenario.recovery.next_attempt_at
    assert at
    assert at - provider_tries >= 3 * HOUR, "counted from the provider's failure, not from our second look"


def test_no_charge_while_a_payment_is_under_way() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(OPEN_INVOICE.model_copy(update={"processing": True})) == ["retry.skipped"]
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["reason"] == "payment_under_way"
    assert isinstance(scenario.next_step(), Wait)


# --- the rest ------------------------------------------------------------------------------------------------------


def test_a_refused_command_is_in_the_log_without_effect() -> None:
    scenario = RecoveryScenario().fail_payment()
    before = scenario.recovery
    scenario.append_events(command_event(Command(action=Action.CANCEL), scenario.now, refused="closed"))
    assert scenario.recovery == before.with_changes(sequence=before.sequence + 1)


def test_state_equals_the_fold_of_its_log() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SOFT_DECLINE)
    assert fold_records(Recovery(provider="stripe", invoice_id="in_1"), scenario.records) == scenario.recovery


def test_reconcile_delays_grow_to_a_maximum() -> None:
    delays = [reconcile_delay(tries) for tries in range(20)]
    assert delays == sorted(delays)
    assert delays[-1] == RECONCILE_DELAYS[-1]
    assert all(wait > timedelta(0) for wait in delays)


def test_invalid_review_decision_keeps_the_review_open() -> None:
    scenario = scenario_in_review()
    with pytest.raises(CommandRefused):
        scenario.submit_command(Action.REVIEW, decision="maybe")
    assert scenario.current_state() is State.IN_REVIEW


def test_repeated_rows_are_recognised_by_type() -> None:
    requested = Event(type=EventType.CANCEL_REQUESTED, occurred_at=THEN, data={"actor": "ann"})
    (first,) = append_events(Recovery(provider="stripe", invoice_id="in_1"), (requested,), THEN)[1][:1]
    again = requested.model_copy(update={"occurred_at": THEN + HOUR})
    charge = first.model_copy(update={"type": EventType.CHARGE_REQUESTED})
    assert begins_with_events((again,), (first,))
    assert not begins_with_events((again,), (charge, first))
    assert not begins_with_events((again,), ())


def test_every_row_from_the_first_decision_on_names_policy_and_arm() -> None:
    scenario = RecoveryScenario().fail_payment()
    first = scenario.records[0]
    assert "policy_version" not in first.data
    scenario.recovery = scenario.recovery.with_changes(experiment="sooner", arm="quick")
    scenario.submit_command(Action.PAUSE)
    scenario.receive_event(EventKind.INVOICE_PAID)
    made_by = {"policy_version": scenario.decision_config.policy.version, "experiment": "sooner", "arm": "quick"}
    assert [record.type for record in scenario.records[-3:]] == [
        EventType.PAUSED,
        EventType.PAID_ELSEWHERE,
        EventType.RECOVERY_CLOSED,
    ]
    assert all(made_by.items() <= record.data.stored.items() for record in scenario.records[-3:])
    assert all(
        record.data["policy_version"] == scenario.decision_config.policy.version for record in scenario.records[1:]
    )
