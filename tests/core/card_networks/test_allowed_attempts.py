"""The short answer, whether an attempt is allowed, is always that of the whole verdict."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catalog import network_rules
from core.card_networks.rules import (
    AttemptOutcome,
    Credential,
    LedgerEntry,
    check_attempt,
    is_attempt_allowed,
)

RULES = network_rules()
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
seconds = st.integers(0, 40 * 86_400)
outcomes = st.sampled_from([*[AttemptOutcome.DECLINED] * 12, *AttemptOutcome])
codes = st.sampled_from([*[None] * 12, "05", "R0"])
crowds = st.lists(st.tuples(seconds, outcomes, codes), max_size=60)


def entry_of(before: int, outcome: AttemptOutcome, code: str | None) -> LedgerEntry:
    card: dict[str, Any] = {"provider": "stripe", "fingerprint": "fp", "amount": 5_000, "currency": "EUR"}
    return LedgerEntry(
        recovery_id="r",
        key=str(before),
        at=NOW - timedelta(seconds=before),
        trigger="scheduled",
        outcome=outcome,
        network_code=code,
        **card,
    )


@given(network=st.sampled_from(["visa", "mastercard", "amex", "elo", "cup", None]), crowd=crowds, after=seconds)
def test_short_answer_is_that_of_the_verdict(network: str | None, crowd: list[Any], after: int) -> None:
    card = Credential(
        provider="stripe", recovery_id="r", fingerprint="fp", network=network, amount=5_000, currency="EUR"
    )
    tries = [entry_of(*one) for one in crowd]
    for rules in (RULES, RULES.lower_limits(dict.fromkeys(RULES.limit_ceilings(), 2))):
        for at in (NOW, NOW + timedelta(seconds=after)):
            assert is_attempt_allowed(rules, card, tries, at) == check_attempt(rules, card, tries, at).is_allowed


def test_lowered_rules_forget_the_limits_of_those_they_were_made_from() -> None:
    assert [one.allowed for one in RULES.limits_in_force("visa", NOW.date())] == [20]
    lowered = RULES.lower_limits({"visa_30d": 3})
    assert [one.allowed for one in lowered.limits_in_force("visa", NOW.date())] == [3]
