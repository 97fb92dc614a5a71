"""A read before a message is applied to the recovery as it is when the result arrives."""

from core.events import EventType
from core.payments import EventKind
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario, scenario_in_flight
from workflows.messages import MessageResult

PROCESSING = OPEN_INVOICE.model_copy(update={"processing": True})
PART = OPEN_INVOICE.model_copy(update={"amount_due": 3000})


def test_own_charge_in_progress_is_no_reason_to_stand_back() -> None:
    scenario = RecoveryScenario().fail_payment()
    assert [event.type for event in MessageResult(PROCESSING, scenario.now).to_events(scenario.recovery)] == [
        EventType.RETRY_SKIPPED
    ]
    assert MessageResult(PROCESSING, scenario.now).to_events(scenario_in_flight(scenario).recovery) == ()


def test_partial_payment_reported_during_a_charge_counts_once() -> None:
    scenario = RecoveryScenario().fail_payment()
    assert [event.type for event in MessageResult(PART, scenario.now).to_events(scenario.recovery)] == [
        EventType.PAID_ELSEWHERE
    ]
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    assert MessageResult(PART, scenario.now).to_events(scenario.recovery) == ()
