"""The upcoming steps of a recovery without retries that waits for the end of its window."""

from datetime import timedelta

from core.classification.taxonomy import Cause
from core.events import State
from core.payments import InvoiceView
from core.timeline.upcoming import UpcomingStep, list_upcoming_steps
from tests.support.gateway import decline_result
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario

UNDER_WAY: InvoiceView = OPEN_INVOICE.model_copy(update={"processing": True})


def exhausted_scenario() -> RecoveryScenario:
    """A scenario whose retries were all declined."""
    scenario = RecoveryScenario()
    scenario.fail_payment(Cause.GENERIC)
    while scenario.recovery.next_attempt_at:
        scenario.advance_until_due().request_charge()
        scenario.record_answer(decline_result("generic_decline"))
        scenario.decide_failure(Cause.GENERIC)
    return scenario


def test_exhausted_budget_waits_for_the_end_of_the_window() -> None:
    scenario = exhausted_scenario()
    ends = scenario.recovery.window_ends_at
    assert scenario.recovery.stage is State.AWAITING_CUSTOMER
    assert [(step.what, step.at, step.ends) for step in list_upcoming_steps(scenario.recovery, scenario.now)] == [
        ("No further retry is scheduled", None, False),
        ("The window for retries ends, and so does the recovery", ends, True),
    ]


def test_upcoming_steps_show_the_customers_deadline() -> None:
    scenario = RecoveryScenario()
    scenario.fail_payment(Cause.PERMANENT)
    last = list_upcoming_steps(scenario.recovery, scenario.now)[-1]
    assert last == UpcomingStep(what="The customer's deadline ends the recovery", at=scenario.recovery.until, ends=True)


def test_no_end_is_promised_while_a_payment_is_pending() -> None:
    scenario = exhausted_scenario()
    scenario.advance_clock(timedelta(hours=1)).read_invoice(UNDER_WAY)
    steps = list_upcoming_steps(scenario.recovery, scenario.now)
    assert [step.what for step in steps] == ["The provider is asked again"]
