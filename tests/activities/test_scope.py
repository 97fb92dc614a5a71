"""Which invoices are ours, by the shipped rules and by a merchant's own."""

from datetime import timedelta
from typing import Any

import pytest

from activities.scope import SHIPPED, Scope
from core.errors import InvalidPolicy
from core.events import State, stamp
from core.payments import InvoiceStatus
from core.retry.fresh_look import observe
from core.retry.machine import Read, Wait
from core.retry.pace import Pace
from core.retry.policy import parse
from core.retry.scope import Hold, ScopeRule, ScopeRules, WrittenOff
from core.terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from tests.support.builders import DAY, THEN
from tests.support.story import OPEN, POLICY_FILE, STRATEGIES, Story

TERMS: list[tuple[dict[str, Any], ScopeRule | None]] = [
    ({}, None),
    ({"collection_method": CollectionMethod.SENT}, ScopeRule.SEND_INVOICE),
    ({"collection_method": CollectionMethod.AUTOMATIC}, None),
    (
        {"billing_reason": "subscription_create", "subscription_status": SubscriptionStatus.INCOMPLETE},
        ScopeRule.FIRST_INVOICE,
    ),
    (
        {"billing_reason": "subscription_create", "subscription_status": SubscriptionStatus.INCOMPLETE_EXPIRED},
        ScopeRule.FIRST_INVOICE,
    ),
    ({"billing_reason": "subscription_create", "subscription_status": SubscriptionStatus.ACTIVE}, None),
    ({"billing_reason": "subscription_create"}, None),
    ({"billing_reason": "subscription_cycle", "subscription_status": SubscriptionStatus.INCOMPLETE}, None),
    ({"application": "ca_other"}, ScopeRule.OTHER_APPLICATION),
    ({"shopper_present": True}, ScopeRule.SHOPPER_PRESENT),
    ({"shopper_present": False}, None),
    ({"created_at": THEN - 366 * DAY}, ScopeRule.TOO_OLD),
    ({"created_at": THEN - 20 * DAY}, None),
]


def judged(terms: dict[str, Any], scope: Scope = SHIPPED, opening: bool = True) -> str | None:
    """The rule by which an invoice of these terms is not ours."""
    return scope.judged(OPEN.model_copy(update={"terms": CollectionTerms(**terms)}), THEN, opening=opening).out_of_scope


@pytest.mark.parametrize(("terms", "rule"), TERMS)
def test_what_is_taken_as_shipped(terms: dict[str, Any], rule: ScopeRule | None) -> None:
    assert judged(terms) == rule


@pytest.mark.parametrize(("terms", "rule"), [pair for pair in TERMS if pair[1]])
def test_a_merchant_may_lift_a_rule(terms: dict[str, Any], rule: ScopeRule) -> None:
    assert judged(terms, Scope(lambda: ScopeRules(take=frozenset({rule})))) is None


def test_the_pace_of_our_clock_comes_with_what_was_read() -> None:
    fast = Scope(pace=Pace(time_scale=3600)).judged(OPEN, THEN, opening=False)
    (row,) = observe(Story().fails().recovery, fast.model_copy(update={"processing": True}), THEN)
    assert row.data["at"] == stamp(THEN + timedelta(seconds=1))


def test_age_counts_only_where_a_recovery_opens() -> None:
    assert judged({"created_at": THEN - 366 * DAY}, opening=False) is None


def test_the_longest_window_of_the_shipped_policy_is_the_oldest_that_is_taken() -> None:
    rules = parse(POLICY_FILE.read_text(), "policies.toml", STRATEGIES).scope
    assert rules.oldest == timedelta(days=30)
    assert rules == ScopeRules(oldest=rules.oldest), "and the file says what is taken without it"


def test_a_policy_says_it_all() -> None:
    text = (
        POLICY_FILE.read_text().replace("take = []", 'take = ["send_invoice"]').replace('"try"', '"wait_for_default"')
    )
    text = text.replace('paused = "wait"', 'paused = "collect"').replace(
        'uncollectible = "stop"', 'uncollectible = "wait"'
    )
    rules = parse(text, "own.toml", STRATEGIES).scope
    assert (set(rules.take), rules.paused) == ({ScopeRule.SEND_INVOICE}, Hold.COLLECT)
    assert (rules.uncollectible, rules.attached.value) == (WrittenOff.WAIT, "wait_for_default")
    with pytest.raises(InvalidPolicy, match=r"own.toml:\d+: scope.take"):
        parse(POLICY_FILE.read_text().replace("take = []", 'take = ["everything"]'), "own.toml", STRATEGIES)


@pytest.mark.parametrize(
    ("terms", "rules", "holds"),
    [
        ({"collection_paused": True}, {}, True),
        ({"collection_paused": True}, {"paused": Hold.COLLECT}, False),
        ({"ends_at_period_end": True}, {}, False),
        ({"ends_at_period_end": True}, {"ending": Hold.WAIT}, True),
        ({}, {}, False),
    ],
)
def test_where_merchants_differ_the_policy_says_whether_to_go_on(
    terms: dict[str, Any], rules: dict[str, Any], holds: bool
) -> None:
    invoice = OPEN.model_copy(update={"terms": CollectionTerms(**terms)})
    story = Story().fails().until_due()
    rows = story.charges(Scope(lambda: ScopeRules(**rules)).judged(invoice, story.now, opening=False))
    assert rows == (["retry.skipped"] if holds else ["charge.requested"])


def test_a_write_off_ends_it_or_waits_for_a_payment_and_is_never_charged() -> None:
    written_off = OPEN.model_copy(update={"status": InvoiceStatus.UNCOLLECTIBLE})
    waiting = Scope(lambda: ScopeRules(uncollectible=WrittenOff.WAIT))
    story = Story().fails().until_due()
    assert story.charges(waiting.judged(written_off, story.now, opening=False)) == ["retry.skipped"]
    assert isinstance(story.step(), Wait)
    assert story.later(DAY).step() == Read()
    assert not story.recovery.stage.final
    stopped = Story().fails().until_due()
    stopped.charges(SHIPPED.judged(written_off, stopped.now, opening=False))
    assert stopped.ended == (State.CANCELED, "uncollectible")
