"""The fraud rules of a policy: what they may weigh, what they may not lift, and velocity counts."""

import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.fraud.assessment import FraudLevel, assess_fraud
from core.fraud.rules import FraudRules, SignalKind
from core.fraud.signals import FraudSignals, ScorerAnswer, Velocity
from core.payments import Card, CustomerView, FailureFacts, InvoiceStatus, InvoiceView, Risk
from core.policy.policy import Policy, parse_policy
from tests.core.fraud.test_assess import classification_of

SOFT = classification_of(Cause.GENERIC)
INVOICE = InvoiceView(invoice_id="in_1", status=InvoiceStatus.OPEN)
ZERO_SCORES = FraudRules(scores=dict.fromkeys(SignalKind, 0))


def failure_facts(card: str | None, country: str | None) -> FailureFacts:
    return FailureFacts(
        invoice=INVOICE, card=Card(country=card), customer=CustomerView(customer_id="cus_1", country=country)
    )


STRICT = FraudRules(scores=dict.fromkeys((SignalKind.MANY_CARDS, SignalKind.MANY_CUSTOMERS, SignalKind.BURST), 40))


@pytest.mark.parametrize(
    ("velocity", "shipped", "strict"),
    [
        (Velocity(), 0, "clear"),
        (Velocity(cards_of_customer=1, customers_on_card=1, failures_in_burst=1), 0, "clear"),
        (Velocity(cards_of_customer=4, customers_on_card=3, failures_in_burst=5), 0, "clear"),
        (Velocity(cards_of_customer=5), 10, "review"),
        (Velocity(customers_on_card=4), 10, "review"),
        (Velocity(failures_in_burst=6), 10, "review"),
        (Velocity(cards_of_customer=5, customers_on_card=4, failures_in_burst=6), 30, "block"),
    ],
)
def test_velocity_signals(velocity: Velocity, shipped: int, strict: str) -> None:
    """The shipped policy only notes velocity: a customer may have many small invoices."""
    assessment = assess_fraud(Risk(), SOFT, FraudSignals(velocity=velocity))
    assert (assessment.level, assessment.score) == ("clear", shipped)
    assert assess_fraud(Risk(), SOFT, FraudSignals(velocity=velocity), STRICT).level == strict


def test_velocity_together_with_another_signal_holds() -> None:
    fast = FraudSignals(velocity=Velocity(cards_of_customer=5, customers_on_card=4, failures_in_burst=6))
    assert assess_fraud(Risk(level="elevated"), SOFT, fast).level is FraudLevel.REVIEW


def test_foreign_card_is_noted_without_a_hold() -> None:
    answer = assess_fraud(failure_facts("US", "de"), SOFT)
    assert (answer.level, answer.score, answer.reasons) == ("clear", 10, ("the card is from US, the customer from DE",))
    for facts in (failure_facts("DE", "de"), failure_facts(None, "DE"), failure_facts("DE", None)):
        assert assess_fraud(facts, SOFT).score == 0


def test_rules_never_lift_a_dispute_warning_or_fraud_decline() -> None:
    assert assess_fraud(Risk(disputed=True), SOFT, rules=ZERO_SCORES).level is FraudLevel.BLOCK
    assert assess_fraud(Risk(early_warning=True), SOFT, rules=ZERO_SCORES).level is FraudLevel.BLOCK
    assert assess_fraud(Risk(), classification_of(Cause.FRAUD), rules=ZERO_SCORES).level is FraudLevel.REVIEW
    assert assess_fraud(Risk(level="highest"), SOFT, rules=ZERO_SCORES).level is FraudLevel.CLEAR


def test_scorer_adds_its_points_and_reasons() -> None:
    signals = FraudSignals(scorer="acme", answer=ScorerAnswer(score=55, reasons=("odd hours",)))
    answer = assess_fraud(Risk(), SOFT, signals)
    assert (answer.level, answer.score, answer.reasons) == ("review", 55, ("acme gives 55: odd hours",))


def test_the_providers_score_counts_only_where_the_policy_says_so() -> None:
    assert assess_fraud(Risk(score=99), SOFT).level is FraudLevel.CLEAR
    assert assess_fraud(Risk(score=80), SOFT, rules=FraudRules(provider_score_min=80)).level is FraudLevel.REVIEW


def test_shipped_file_states_the_defaults(shipped: Policy) -> None:
    assert shipped.fraud == FraudRules()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("review_at = 101", ":1: fraud.review_at: "),
        ("review_at = 90\nblock_at = 80", ":1: fraud.review_at: 90 is above block_at, which is 80"),
        ('window = "soon"', ":1: fraud.window: 'soon' is no length"),
        ('window = "91d"', ":1: fraud.window: 91d is longer than 90d"),
        ("scorer_timeout_ms = 5000", ":1: fraud.scorer_timeout_ms: "),
        ("velocity = 3", ":1: fraud.velocity: Extra inputs"),
        ("scores = { disputed = 0 }", ":1: fraud.scores.disputed"),
    ],
)
def test_invalid_fraud_rule_names_its_line(shipped_text: str, line: str, complaint: str) -> None:
    before, rest = shipped_text.split("[fraud]\n", 1)
    text = f"{before}[fraud]\n{line}\n[overrides]{rest.split('[overrides]')[1]}"
    number = before.count("\n") + 1
    with pytest.raises(InvalidPolicy) as excinfo:
        parse_policy(text, "p.toml")
    location, _, message = complaint[1:].partition(": ")
    assert str(excinfo.value).startswith(f"p.toml:{number + int(location)}: {message}"), excinfo.value
