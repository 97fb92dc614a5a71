"""A charge in flight: whatever is said meanwhile waits for its definite answer."""

import pytest

from core.classification.taxonomy import Cause
from core.events import EventType, State
from core.operators import Action
from core.payments import ChargeResult, EventKind
from core.recovery.machine import Decide, Done, Read, Reconcile
from tests.support.builders import HOUR
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.recovery_scenario import NOT_CHARGED, SOFT_DECLINE, RecoveryScenario, scenario_in_flight

EVENTS_IN_FLIGHT = [
    (EventKind.DISPUTE_OPENED, (State.BLOCKED, "dispute")),
    (EventKind.FRAUD_WARNING, (State.BLOCKED, "early_fraud_warning")),
    (EventKind.INVOICE_VOIDED, (State.CANCELED, "voided")),
    (EventKind.INVOICE_UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    (EventKind.INVOICE_PAID, (State.RECOVERED, "paid_elsewhere")),
]


@pytest.mark.parametrize(("kind", "end"), EVENTS_IN_FLIGHT)
@pytest.mark.parametrize("result", [SOFT_DECLINE, NOT_CHARGED])
def test_what_ends_it_waits_for_the_definite_answer(
    kind: EventKind, end: tuple[State, str], result: ChargeResult
) -> None:
    story = scenario_in_flight()
    assert len(story.receive_event(kind)) == 1
    assert (story.current_state(), story.next_step()) == (State.CHARGING, Reconcile())
    assert story.record_answer(result)[-1] == "recovery.closed"
    assert story.ending == end


@pytest.mark.parametrize("kind", [kind for kind, _ in EVENTS_IN_FLIGHT])
def test_money_that_came_in_beats_every_other_ending(kind: EventKind) -> None:
    story = scenario_in_flight()
    story.receive_event(kind)
    story.record_answer(SUCCEED)
    assert story.ending == (State.RECOVERED, "charged")


@pytest.mark.parametrize(
    ("result", "end"), [(SUCCEED, (State.RECOVERED, "charged")), (SOFT_DECLINE, (State.CANCELED, "operator"))]
)
def test_a_cancel_during_a_charge_counts_only_where_it_did_not_succeed(
    result: ChargeResult, end: tuple[State, str]
) -> None:
    story = scenario_in_flight()
    assert story.submit_command(Action.CANCEL) == ["operator.cancel_requested"]
    assert story.next_step() == Reconcile()
    story.record_answer(UNKNOWN)
    story.record_answer(result, by_reading=True)
    assert story.ending == end


def test_the_first_ending_stands() -> None:
    story = scenario_in_flight()
    story.submit_command(Action.CANCEL)
    story.receive_event(EventKind.DISPUTE_OPENED)
    story.record_answer(SOFT_DECLINE)
    assert story.ending == (State.CANCELED, "operator")


@pytest.mark.parametrize(("result", "step"), [(SUCCEED, Done()), (SOFT_DECLINE, Decide()), (NOT_CHARGED, Read())])
def test_an_unknown_charge_is_reconciled_and_only_then_it_goes_on(result: ChargeResult, step: object) -> None:
    story = scenario_in_flight()
    assert story.record_answer(UNKNOWN) == ["charge.unknown"]
    assert story.record_answer(UNKNOWN, by_reading=True) == [], "written down once"
    assert story.next_step() == Reconcile()
    assert story.advance_clock(HOUR).record_answer(result, by_reading=True)[0] == "charge.reconciled"
    assert story.next_step() == step


def test_each_attempt_has_its_own_number_and_key() -> None:
    story = RecoveryScenario().fail_payment()
    for _ in range(3):
        scenario_in_flight(story).record_answer(SOFT_DECLINE)
        story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    requested = [record for record in story.records if record.type is EventType.CHARGE_REQUESTED]
    assert [record.attempt for record in requested] == [1, 2, 3]
    assert [record.data["idempotency_key"] for record in requested] == [f"pri-stripe-in_1-{n}" for n in (1, 2, 3)]


def test_a_payment_that_several_events_confirm_is_recorded_once() -> None:
    story = scenario_in_flight()
    assert story.receive_event(EventKind.INVOICE_PAID) == ["invoice.paid_elsewhere"]
    assert story.receive_event(EventKind.INVOICE_PAID, event_id="evt_confirms") == []


def test_a_new_card_sent_again_after_the_end_is_no_late_news() -> None:
    story = scenario_in_flight()
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2", event_id="evt_attached")
    story.record_answer(SUCCEED)
    assert story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2", event_id="evt_default") == []
    assert story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_3", event_id="evt_other") == ["event.late"]
