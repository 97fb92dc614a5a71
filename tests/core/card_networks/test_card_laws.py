"""The network limits as a state machine: whoever charges, whenever, no window is overfilled."""

from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.events import EventType
from core.fraud.assessment import NO_SIGNALS
from core.operators import Action
from core.payments import EventKind, Outcome, Risk
from tests.core.recovery.test_money_laws import QUIET_SETTINGS, MoneyMachine

SPANS: Final = {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(days=7)}
CUSTOMERS: Final = ("cus_1", "cus_2", "cus_3")
EVENTS: Final = ("insisted", "insisted", "due", "another card", "crash", *SPANS)


def apply_event(money: MoneyMachine, change: str) -> None:
    """Applies one change and lets the machine act on it; every charge is declined."""
    if change in SPANS:
        money.time += SPANS[change]
    elif change == "crash":
        money.crash_driver()
    elif change == "another card":
        money.provider_sends_event(EventKind.METHOD_UPDATED, True, True, False)
    elif change == "insisted":
        money.operator_submits_command(Action.RETRY, None)
    for _ in range(4):
        money.run_next_step(Cause.INSUFFICIENT_FUNDS, Risk(), NO_SIGNALS, Outcome.DECLINED, 9, 0, due=change == "due")


@pytest.mark.parametrize("allowed", [(1, 2), (2, 3), (3, 5)])
@settings(max_examples=60, deadline=None, derandomize=True, **QUIET_SETTINGS)
@given(changes=st.lists(st.sampled_from(EVENTS), min_size=6, max_size=16), customer=st.sampled_from(["cus_1", "cus_2"]))
def test_no_network_window_is_overfilled(allowed: tuple[int, int], changes: list[str], customer: str) -> None:
    money = MoneyMachine()
    money.start_recovery(True, True, 1, customer, allowed)
    for change in changes:
        apply_event(money, change)
        money.network_limits_hold_per_card()
        money.charges_are_requested_only_when_allowed()
    money.plans_lie_ahead_and_inside_the_window()


def test_full_network_windows_refuse_the_next_try() -> None:
    """Shows that the law above is not vacuous."""
    money = MoneyMachine()
    money.start_recovery(True, True, 1, "cus_1", (2, 3))
    for change in ("insisted", "insisted", "insisted", "a day", "insisted"):
        apply_event(money, change)
    types = [row.type for row in money.all_records]
    assert types.count(EventType.CHARGE_REQUESTED) >= 1
    assert any(row.data.get("reason") == "network_limit" for row in money.all_records)
