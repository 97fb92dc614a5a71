"""A provider that refuses our API key: reported once, reviewed, and recovered from."""

from datetime import timedelta

from core.classification.taxonomy import Cause
from core.events import EventType, State
from core.operators import Action
from core.payments import (
    ChargeResult,
    Outcome,
)
from core.recovery.invoice_check import (
    FIRST_READ_DELAY,
    MAX_READ_DELAY,
    provider_refusal_event,
)
from core.recovery.machine import Close, Read, Reconcile, Wait
from core.recovery.reactions import opening_event
from tests.support.builders import a_failure_event
from tests.support.gateway import SUCCEED
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario, scenario_in_flight, scenario_in_review

PROCESSING = OPEN_INVOICE.model_copy(update={"processing": True})


def test_refused_key_is_reported_once_and_recovers() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.append_events(
        provider_refusal_event(scenario.recovery, "Stripe refuses this key: HTTP 401.", scenario.now)
    )
    assert scenario.current_state() is State.IN_REVIEW
    assert isinstance(scenario.next_step(), Wait)
    assert scenario.advance_clock(FIRST_READ_DELAY).next_step() == Read()
    scenario.append_events(provider_refusal_event(scenario.recovery, "still", scenario.now))
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["again"]
    scenario.advance_clock(MAX_READ_DELAY).decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.WAITING


def test_key_refused_during_a_charge_is_reported_and_the_charge_reconciled() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(ChargeResult(outcome=Outcome.UNKNOWN, reason="timeout"))
    scenario.append_events(
        provider_refusal_event(scenario.recovery, "Stripe refuses this key: HTTP 401.", scenario.now)
    )
    assert (scenario.current_state(), scenario.next_step(), scenario.recovery.refusal_known) == (
        State.CHARGING,
        Reconcile(),
        True,
    )
    scenario.record_answer(SUCCEED, by_reading=True)
    assert scenario.ending == (State.RECOVERED, "charged")


def test_an_approval_asks_the_provider_again_at_once() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.append_events(
        provider_refusal_event(scenario.recovery, "Stripe refuses this key: HTTP 401.", scenario.now)
    )
    scenario.submit_command(Action.REVIEW, decision="approve")
    assert scenario.next_step() == Read()


def test_approval_counts_while_a_payment_is_pending() -> None:
    """The hold is lifted, and the pending payment is still waited for."""
    scenario = scenario_in_review()
    scenario.read_invoice(PROCESSING)
    scenario.submit_command(Action.REVIEW, decision="approve")
    assert (scenario.recovery.fraud_hold, scenario.current_state()) == (False, State.AWAITING_CUSTOMER)
    assert isinstance(scenario.next_step(), Wait)


def test_key_that_stays_refused_ends_with_the_review() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event()))
    scenario.append_events(
        provider_refusal_event(scenario.recovery, "Stripe refuses this key: HTTP 401.", scenario.now)
    )
    step = scenario.advance_clock(timedelta(days=7)).next_step()
    assert step == Close(state=State.EXHAUSTED, reason="review_overdue", read_first=True)
