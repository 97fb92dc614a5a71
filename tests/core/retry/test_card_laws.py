"""The law about cards, with nothing to think about but tries: whoever insists, whenever, the network's windows hold."""

from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.classifier.taxonomy import Cause
from core.contracts import Action
from core.events import EventType
from core.fraud.assess import NOTHING
from core.payments import EventKind, Outcome, Risk
from tests.core.retry.test_money_laws import QUIET, Money

SPANS: Final = {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(days=7)}
CUSTOMERS: Final = ("cus_1", "cus_2", "cus_3")
HAPPENINGS: Final = ("insisted", "insisted", "due", "another card", "crash", *SPANS)


def happen(money: Money, what: str) -> None:
    """One thing, and whatever the machine makes of it; every charge is declined."""
    if what in SPANS:
        money.time += SPANS[what]
    elif what == "crash":
        money.crash()
    elif what == "another card":
        money.provider_says(EventKind.METHOD_UPDATED, True, True, False)
    elif what == "insisted":
        money.operator_wants(Action.RETRY, None)
    for _ in range(4):
        money.work(Cause.INSUFFICIENT_FUNDS, Risk(), NOTHING, Outcome.DECLINED, 9, 0, due=what == "due")


@pytest.mark.parametrize("allowed", [(1, 2), (2, 3), (3, 5)])
@settings(max_examples=60, deadline=None, derandomize=True, **QUIET)
@given(
    whats=st.lists(st.sampled_from(HAPPENINGS), min_size=6, max_size=16), customer=st.sampled_from(["cus_1", "cus_2"])
)
def test_no_window_is_overfilled(allowed: tuple[int, int], whats: list[str], customer: str) -> None:
    money = Money()
    money.begin(True, True, 1, customer, allowed)
    for what in whats:
        happen(money, what)
        money.no_card_is_tried_more_often_than_its_network_allows()
        money.charges_are_requested_only_when_allowed()
    money.plans_lie_ahead_and_inside_the_window()


def test_the_windows_are_filled_and_then_somebody_is_refused() -> None:
    """So that the law above is about something."""
    money = Money()
    money.begin(True, True, 1, "cus_1", (2, 3))
    for what in ("insisted", "insisted", "insisted", "a day", "insisted"):
        happen(money, what)
    types = [row.type for row in money.rows]
    assert types.count(EventType.CHARGE_REQUESTED) >= 1
    assert any(row.data.get("reason") == "network_limit" for row in money.rows)
