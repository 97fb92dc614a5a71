"""The money of one payment counts once, however many events of a provider report it."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from core.payments import ChargeResult, EventKind, Outcome, ProviderEvent
from tests.support.builders import HOUR, an_event
from tests.support.recovery_scenario import RecoveryScenario, scenario_in_flight

SUCCEEDED = Outcome.SUCCEEDED


def payment_event(payment: str, amount: int | None, name: str) -> ProviderEvent:
    """A payment towards the open 49.00, reported by an event of this name."""
    return an_event(
        EventKind.INVOICE_PAID,
        event_id=f"{payment}:{name}",
        payment_id=payment,
        paid_amount=amount,
        currency="EUR",
    )


EVENTS = [
    payment_event("PSP1", 3000, "AUTHORISATION"),
    payment_event("PSP1", 3000, "CAPTURE"),
    payment_event("PSP2", 900, "CAPTURE"),
]


@pytest.mark.parametrize("events", list(permutations(EVENTS)))
def test_authorisation_and_capture_count_as_one_part(events: Sequence[ProviderEvent]) -> None:
    scenario = RecoveryScenario().fail_payment().advance_clock(HOUR)
    for event in events:
        scenario.receive_event(event)
    assert (scenario.recovery.paid, scenario.recovery.amount) == (3900, 1000)
    assert not scenario.recovery.stage.is_final


def test_echo_of_a_partial_charge_is_no_second_part() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(ChargeResult(outcome=SUCCEEDED, charge_id="PSP9", amount=3000))
    assert (scenario.recovery.paid, scenario.recovery.amount) == (3000, 1900)
    assert scenario.receive_event(payment_event("PSP9", 3000, "AUTHORISATION")) == []
    assert (scenario.recovery.paid, scenario.recovery.amount) == (3000, 1900)


def test_payment_of_the_rest_ends_the_recovery() -> None:
    scenario = RecoveryScenario().fail_payment().advance_clock(HOUR)
    scenario.receive_event(EVENTS[0])
    scenario.receive_event(payment_event("PSP3", 1900, "AUTHORISATION"))
    assert scenario.recovery.ending or scenario.recovery.stage.is_final
