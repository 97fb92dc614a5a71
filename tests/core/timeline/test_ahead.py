"""What comes next, while a recovery without retries waits for the end of its window."""

from datetime import timedelta

from core.classification.taxonomy import Cause
from core.events import State
from core.payments import InvoiceView
from core.timeline.upcoming import UpcomingStep, list_upcoming_steps
from tests.support.gateway import decline_result
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario

UNDER_WAY: InvoiceView = OPEN_INVOICE.model_copy(update={"processing": True})


def exhausted_scenario() -> RecoveryScenario:
    """A recovery whose retries were all declined."""
    story = RecoveryScenario()
    story.fail_payment(Cause.GENERIC)
    while story.recovery.next_attempt_at:
        story.advance_until_due().request_charge()
        story.record_answer(decline_result("generic_decline"))
        story.decide_failure(Cause.GENERIC)
    return story


def test_nothing_is_tried_by_itself_and_the_window_ends_it() -> None:
    story = exhausted_scenario()
    ends = story.recovery.window_ends_at
    assert story.recovery.stage is State.AWAITING_CUSTOMER
    assert [(one.what, one.at, one.ends) for one in list_upcoming_steps(story.recovery, story.now)] == [
        ("Nothing is tried by itself any more", None, False),
        ("The window is over; it is given up", ends, True),
    ]


def test_a_customer_who_has_to_act_is_told_of_their_own_time() -> None:
    story = RecoveryScenario()
    story.fail_payment(Cause.PERMANENT)
    last = list_upcoming_steps(story.recovery, story.now)[-1]
    assert last == UpcomingStep(what="The customer's time is over; it is given up", at=story.recovery.until, ends=True)


def test_while_money_is_on_its_way_no_end_is_promised() -> None:
    story = exhausted_scenario()
    story.advance_clock(timedelta(hours=1)).read_invoice(UNDER_WAY)
    told = list_upcoming_steps(story.recovery, story.now)
    assert [one.what for one in told] == ["The provider is asked again"]
