"""A charge in flight: other events wait for its definite answer."""

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
def test_ending_waits_for_the_definite_answer_of_a_charge(
    kind: EventKind, end: tuple[State, str], result: ChargeResult
) -> None:
    scenario = scenario_in_flight()
    assert len(scenario.receive_event(kind)) == 1
    assert (scenario.current_state(), scenario.next_step()) == (State.CHARGING, Reconcile())
    assert scenario.record_answer(result)[-1] == "recovery.closed"
    assert scenario.ending == end


@pytest.mark.parametrize("kind", [kind for kind, _ in EVENTS_IN_FLIGHT])
def test_received_payment_overrides_every_other_ending(kind: EventKind) -> None:
    scenario = scenario_in_flight()
    scenario.receive_event(kind)
    scenario.record_answer(SUCCEED)
    assert scenario.ending == (State.RECOVERED, "charged")


@pytest.mark.parametrize(
    ("result", "end"), [(SUCCEED, (State.RECOVERED, "charged")), (SOFT_DECLINE, (State.CANCELED, "operator"))]
)
def test_cancel_during_a_charge_applies_only_if_it_fails(result: ChargeResult, end: tuple[State, str]) -> None:
    scenario = scenario_in_flight()
    assert scenario.submit_command(Action.CANCEL) == ["operator.cancel_requested"]
    assert scenario.next_step() == Reconcile()
    scenario.record_answer(UNKNOWN)
    scenario.record_answer(result, by_reading=True)
    assert scenario.ending == end


def test_the_first_ending_stands() -> None:
    scenario = scenario_in_flight()
    scenario.submit_command(Action.CANCEL)
    scenario.receive_event(EventKind.DISPUTE_OPENED)
    scenario.record_answer(SOFT_DECLINE)
    assert scenario.ending == (State.CANCELED, "operator")


@pytest.mark.parametrize(("result", "step"), [(SUCCEED, Done()), (SOFT_DECLINE, Decide()), (NOT_CHARGED, Read())])
def test_unknown_charge_is_reconciled_before_the_next_step(result: ChargeResult, step: object) -> None:
    scenario = scenario_in_flight()
    assert scenario.record_answer(UNKNOWN) == ["charge.unknown"]
    assert scenario.record_answer(UNKNOWN, by_reading=True) == [], "written down once"
    assert scenario.next_step() == Reconcile()
    assert scenario.advance_clock(HOUR).record_answer(result, by_reading=True)[0] == "charge.reconciled"
    assert scenario.next_step() == step


def test_each_attempt_has_its_own_number_and_key() -> None:
    scenario = RecoveryScenario().fail_payment()
    for _ in range(3):
        scenario_in_flight(scenario).record_answer(SOFT_DECLINE)
        scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    requested = [record for record in scenario.records if record.type is EventType.CHARGE_REQUESTED]
    assert [record.attempt for record in requested] == [1, 2, 3]
    assert [record.data["idempotency_key"] for record in requested] == [f"pri-stripe-in_1-{n}" for n in (1, 2, 3)]


def test_payment_confirmed_by_several_events_is_recorded_once() -> None:
    scenario = scenario_in_flight()
    assert scenario.receive_event(EventKind.INVOICE_PAID) == ["invoice.paid_elsewhere"]
    assert scenario.receive_event(EventKind.INVOICE_PAID, event_id="evt_confirms") == []


def test_repeated_method_event_after_the_end_is_not_recorded() -> None:
    scenario = scenario_in_flight()
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2", event_id="evt_attached")
    scenario.record_answer(SUCCEED)
    assert scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2", event_id="evt_default") == []
    assert scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_3", event_id="evt_other") == ["event.late"]
