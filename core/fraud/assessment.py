"""Assesses how suspicious a failed payment is, from the provider's and issuer's signals and our own counts. Pure."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from core.base import Value
from core.classification.taxonomy import Cause, Classification
from core.fraud.rules import FraudRules, SignalKind
from core.fraud.signals import FraudSignals
from core.payments import Card, CustomerView, FailureFacts, Risk

HIGHEST_SCORE: Final = 100
"""Scores are whole numbers from 0 to this."""


class FraudLevel(StrEnum):
    """Result of an assessment: go on, wait for a review, or end the recovery."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"


class FraudAssessment(Value):
    """A fraud level with its score and the signals that led to it."""

    level: FraudLevel
    score: int = 0
    """0 to 100."""
    reasons: tuple[str, ...] = ()
    signals: FraudSignals = FraudSignals()
    """The looked-up signals that it was made from."""


class _ScoredSignal(NamedTuple):
    """One signal that applies, with its points."""

    points: int
    reason: str
    at_least: FraudLevel = FraudLevel.CLEAR
    """The lowest level that this signal allows, whatever the policy's scores."""


SHIPPED_RULES: Final = FraudRules()
NO_SIGNALS: Final = FraudSignals()


def assess_fraud(
    facts: FailureFacts | Risk,
    classification: Classification,
    signals: FraudSignals = NO_SIGNALS,
    rules: FraudRules = SHIPPED_RULES,
) -> FraudAssessment:
    """The assessment: every signal adds its points, and their sum, 100 at most, gives the level.

    Two rules hold under any policy: a dispute or an early fraud warning blocks, and a decline as fraud is at least
    reviewed. A Risk without the other facts has no countries to compare.
    """
    found = [
        *_provider_signals(facts if isinstance(facts, Risk) else facts.risk, classification, rules),
        *_velocity_signals(signals, rules),
        *(_country_signals(facts, rules) if isinstance(facts, FailureFacts) else ()),
        *_scorer_signals(signals),
    ]
    score = min(sum(one.points for one in found), HIGHEST_SCORE)
    return FraudAssessment(
        level=_fraud_level(score, found, rules),
        score=score,
        reasons=tuple(one.reason for one in found),
        signals=signals,
    )


def _fraud_level(score: int, found: list[_ScoredSignal], rules: FraudRules) -> FraudLevel:
    least = {one.at_least for one in found}
    if FraudLevel.BLOCK in least or score >= rules.block_at:
        return FraudLevel.BLOCK
    return FraudLevel.REVIEW if FraudLevel.REVIEW in least or score >= rules.review_at else FraudLevel.CLEAR


def _provider_signals(risk: Risk, classification: Classification, rules: FraudRules) -> Iterator[_ScoredSignal]:
    """Signals of the provider and the issuer."""
    if risk.disputed:
        yield _ScoredSignal(HIGHEST_SCORE, "the payment is disputed", FraudLevel.BLOCK)
    if risk.early_warning:
        yield _ScoredSignal(HIGHEST_SCORE, "the card network sent an early fraud warning", FraudLevel.BLOCK)
    if classification.cause is Cause.FRAUD:
        points = rules.points_for(SignalKind.DECLINED_AS_FRAUD)
        yield _ScoredSignal(points, f"declined as fraud: {classification.decided_by}", FraudLevel.REVIEW)
    level = (risk.level or "").strip().lower()
    if level in _RISK_LEVELS and (points := rules.points_for(_RISK_LEVELS[level])):
        yield _ScoredSignal(points, f"the provider rates the risk as {level}")
    if rules.provider_score_min is not None and risk.score is not None and risk.score >= rules.provider_score_min:
        yield _ScoredSignal(rules.points_for(SignalKind.PROVIDER_SCORE), f"the provider's own score is {risk.score}")


_RISK_LEVELS: Final = {"highest": SignalKind.HIGHEST_RISK, "elevated": SignalKind.ELEVATED_RISK}


def _velocity_signals(signals: FraudSignals, rules: FraudRules) -> Iterator[_ScoredSignal]:
    """Signals counted in our own event log."""
    seen = signals.velocity
    cards, customers, burst = seen.cards_of_customer, seen.customers_on_card, seen.failures_in_burst
    for signal, count, threshold, words in (
        (SignalKind.MANY_CARDS, cards, rules.cards_of_customer, "cards of this customer failed lately"),
        (SignalKind.MANY_CUSTOMERS, customers, rules.customers_on_card, "customers used this card lately"),
        (SignalKind.BURST, burst, rules.failures_in_burst, "payments failed in a burst"),
    ):
        # A score of 0 turns a signal off: it is not named among the reasons either.
        if count is not None and count >= threshold and rules.points_for(signal):
            yield _ScoredSignal(rules.points_for(signal), f"{count} {words}")


def _country_signals(facts: FailureFacts, rules: FraudRules) -> Iterator[_ScoredSignal]:
    """A card from another country than the billing address; its shipped score is low, since many are legitimate."""
    home, card = _country_of(facts.customer), _country_of(facts.card)
    if home and card and home != card and rules.points_for(SignalKind.COUNTRY_MISMATCH):
        points = rules.points_for(SignalKind.COUNTRY_MISMATCH)
        yield _ScoredSignal(points, f"the card is from {card}, the customer from {home}")


def _country_of(known: CustomerView | Card | None) -> str:
    return (known.country or "").upper() if known else ""


def _scorer_signals(signals: FraudSignals) -> Iterator[_ScoredSignal]:
    """The score of a plug-in, if it gave one above 0."""
    if signals.answer and signals.answer.score:
        why = "; ".join(signals.answer.reasons) or "no reason given"
        yield _ScoredSignal(signals.answer.score, f"{signals.scorer} gives {signals.answer.score}: {why}")
