"""Which invoices are in scope, by the shipped rules and by a merchant's own."""

from datetime import timedelta
from typing import Any

import pytest

from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from core.durations import TimeScale
from core.errors import InvalidPolicy
from core.events import State, format_timestamp
from core.payments import InvoiceStatus
from core.policy.policy import parse_policy
from core.policy.scope import (
    SHIPPED_SCOPE,
    CollectionHandling,
    InvoiceScope,
    ScopeRule,
    ScopeRules,
    UncollectibleHandling,
)
from core.recovery.invoice_check import check_invoice
from core.recovery.machine import Read, Wait
from tests.support.builders import DAY, THEN
from tests.support.recovery_scenario import OPEN_INVOICE, POLICY_FILE, STRATEGIES, RecoveryScenario

SCOPE_CASES: list[tuple[dict[str, Any], ScopeRule | None]] = [
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


def scope_rule_for(terms: dict[str, Any], scope: InvoiceScope = SHIPPED_SCOPE, opening: bool = True) -> str | None:
    """The rule by which an invoice with these terms is out of scope, or None."""
    return scope.judge_invoice(
        OPEN_INVOICE.model_copy(update={"terms": CollectionTerms(**terms)}), THEN, opening=opening
    ).out_of_scope


@pytest.mark.parametrize(("terms", "rule"), SCOPE_CASES)
def test_shipped_scope_rules(terms: dict[str, Any], rule: ScopeRule | None) -> None:
    assert scope_rule_for(terms) == rule


@pytest.mark.parametrize(("terms", "rule"), [scope_case for scope_case in SCOPE_CASES if scope_case[1]])
def test_a_merchant_may_lift_a_rule(terms: dict[str, Any], rule: ScopeRule) -> None:
    assert scope_rule_for(terms, InvoiceScope(lambda: ScopeRules(take=frozenset({rule})))) is None


def test_read_facts_include_the_time_scale() -> None:
    fast = InvoiceScope(time_scale=TimeScale(factor=3600)).judge_invoice(OPEN_INVOICE, THEN, opening=False)
    (row,) = check_invoice(
        RecoveryScenario().fail_payment().recovery, fast.model_copy(update={"processing": True}), THEN
    )
    assert row.data["at"] == format_timestamp(THEN + timedelta(seconds=1))


def test_age_counts_only_where_a_recovery_opens() -> None:
    assert scope_rule_for({"created_at": THEN - 366 * DAY}, opening=False) is None


def test_shipped_maximum_age_is_thirty_days() -> None:
    rules = parse_policy(POLICY_FILE.read_text(), "policies.toml", STRATEGIES).scope
    assert rules.oldest == timedelta(days=30)
    assert rules == ScopeRules(oldest=rules.oldest), "and the file says what is taken without it"


def test_policy_sets_every_scope_rule() -> None:
    text = (
        POLICY_FILE.read_text().replace("take = []", 'take = ["send_invoice"]').replace('"try"', '"wait_for_default"')
    )
    text = text.replace('paused = "wait"', 'paused = "collect"').replace(
        'uncollectible = "stop"', 'uncollectible = "wait"'
    )
    rules = parse_policy(text, "own.toml", STRATEGIES).scope
    assert (set(rules.take), rules.paused) == ({ScopeRule.SEND_INVOICE}, CollectionHandling.COLLECT)
    assert (rules.uncollectible, rules.attached.value) == (UncollectibleHandling.WAIT, "wait_for_default")
    with pytest.raises(InvalidPolicy, match=r"own.toml:\d+: scope.take"):
        parse_policy(POLICY_FILE.read_text().replace("take = []", 'take = ["everything"]'), "own.toml", STRATEGIES)


@pytest.mark.parametrize(
    ("terms", "rules", "holds"),
    [
        ({"collection_paused": True}, {}, True),
        ({"collection_paused": True}, {"paused": CollectionHandling.COLLECT}, False),
        ({"ends_at_period_end": True}, {}, False),
        ({"ends_at_period_end": True}, {"ending": CollectionHandling.WAIT}, True),
        ({}, {}, False),
    ],
)
def test_policy_decides_about_optional_scope_rules(terms: dict[str, Any], rules: dict[str, Any], holds: bool) -> None:
    invoice = OPEN_INVOICE.model_copy(update={"terms": CollectionTerms(**terms)})
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    rows = scenario.request_charge(
        InvoiceScope(lambda: ScopeRules(**rules)).judge_invoice(invoice, scenario.now, opening=False)
    )
    assert rows == (["retry.skipped"] if holds else ["charge.requested"])


def test_written_off_invoice_ends_or_waits_for_payment_and_is_never_charged() -> None:
    written_off = OPEN_INVOICE.model_copy(update={"status": InvoiceStatus.UNCOLLECTIBLE})
    waiting = InvoiceScope(lambda: ScopeRules(uncollectible=UncollectibleHandling.WAIT))
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(waiting.judge_invoice(written_off, scenario.now, opening=False)) == ["retry.skipped"]
    assert isinstance(scenario.next_step(), Wait)
    assert scenario.advance_clock(DAY).next_step() == Read()
    assert not scenario.recovery.stage.is_final
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    scenario.request_charge(SHIPPED_SCOPE.judge_invoice(written_off, scenario.now, opening=False))
    assert scenario.ending == (State.CANCELED, "uncollectible")
