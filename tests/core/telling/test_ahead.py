"""What comes next, while a recovery without retries waits for the end of its window."""

from datetime import timedelta

from core.classifier.taxonomy import Cause
from core.events import State
from core.payments import InvoiceView
from core.telling.ahead import Ahead, ahead
from tests.support.gateway import declined
from tests.support.story import OPEN, Story

UNDER_WAY: InvoiceView = OPEN.model_copy(update={"processing": True})


def used_up() -> Story:
    """A recovery whose retries were all declined."""
    story = Story()
    story.fails(Cause.GENERIC)
    while story.recovery.next_attempt_at:
        story.until_due().charges()
        story.answered(declined("generic_decline"))
        story.decides(Cause.GENERIC)
    return story


def test_nothing_is_tried_by_itself_and_the_window_ends_it() -> None:
    story = used_up()
    ends = story.recovery.window_ends_at
    assert story.recovery.stage is State.AWAITING_CUSTOMER
    assert [(one.what, one.at, one.ends) for one in ahead(story.recovery, story.now)] == [
        ("Nothing is tried by itself any more", None, False),
        ("The window is over; it is given up", ends, True),
    ]


def test_a_customer_who_has_to_act_is_told_of_their_own_time() -> None:
    story = Story()
    story.fails(Cause.PERMANENT)
    last = ahead(story.recovery, story.now)[-1]
    assert last == Ahead(what="The customer's time is over; it is given up", at=story.recovery.until, ends=True)


def test_while_money_is_on_its_way_no_end_is_promised() -> None:
    story = used_up()
    story.later(timedelta(hours=1)).reads(UNDER_WAY)
    told = ahead(story.recovery, story.now)
    assert [one.what for one in told] == ["The provider is asked again"]
