"""The money of one payment counts once, in however many events a provider tells of it."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from core.payments import ChargeResult, EventKind, Outcome, ProviderEvent
from tests.support.builders import HOUR, an_event
from tests.support.story import Story, in_flight

SUCCEEDED = Outcome.SUCCEEDED


def paid(payment: str, amount: int | None, name: str) -> ProviderEvent:
    """Of 49.00 that are open, told by an event of this name."""
    return an_event(
        EventKind.INVOICE_PAID,
        event_id=f"{payment}:{name}",
        payment_id=payment,
        paid_amount=amount,
        currency="EUR",
    )


TOLD = [paid("PSP1", 3000, "AUTHORISATION"), paid("PSP1", 3000, "CAPTURE"), paid("PSP2", 900, "CAPTURE")]


@pytest.mark.parametrize("events", list(permutations(TOLD)))
def test_an_authorisation_and_its_capture_are_one_part(events: Sequence[ProviderEvent]) -> None:
    story = Story().fails().later(HOUR)
    for event in events:
        story.hears(event)
    assert (story.recovery.paid, story.recovery.amount) == (3900, 1000)
    assert not story.recovery.stage.final


def test_the_echo_of_a_charge_that_came_in_part_is_no_second_part() -> None:
    story = in_flight()
    story.answered(ChargeResult(outcome=SUCCEEDED, charge_id="PSP9", amount=3000))
    assert (story.recovery.paid, story.recovery.amount) == (3000, 1900)
    assert story.hears(paid("PSP9", 3000, "AUTHORISATION")) == []
    assert (story.recovery.paid, story.recovery.amount) == (3000, 1900)


def test_the_rest_ends_it() -> None:
    story = Story().fails().later(HOUR)
    story.hears(TOLD[0])
    story.hears(paid("PSP3", 1900, "AUTHORISATION"))
    assert story.recovery.ending or story.recovery.stage.final
