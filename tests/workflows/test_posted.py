"""What a look before a message found counts by what is known when it is heard, not by what was known when it began."""

from core.events import EventType
from core.payments import EventKind
from tests.support.story import OPEN, Story, in_flight
from workflows.messages import Posted

PROCESSING = OPEN.model_copy(update={"processing": True})
PART = OPEN.model_copy(update={"amount_due": 3000})


def test_our_own_charge_that_began_meanwhile_is_no_reason_to_stand_back() -> None:
    story = Story().fails()
    assert [event.type for event in Posted(PROCESSING, story.now).events(story.recovery)] == [EventType.RETRY_SKIPPED]
    assert Posted(PROCESSING, story.now).events(in_flight(story).recovery) == ()


def test_a_part_that_was_told_of_meanwhile_counts_once() -> None:
    story = Story().fails()
    assert [event.type for event in Posted(PART, story.now).events(story.recovery)] == [EventType.PAID_ELSEWHERE]
    story.hears(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    assert Posted(PART, story.now).events(story.recovery) == ()
