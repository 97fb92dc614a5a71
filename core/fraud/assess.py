"""How suspicious a failed payment is: from what provider and issuer said and what was counted, and nothing else."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from core.base import Value
from core.classifier.taxonomy import Cause, Classification
from core.fraud.rules import FraudRules, Signal
from core.fraud.signals import FraudSignals
from core.payments import FailureFacts, Risk

HIGHEST: Final = 100
"""A score is a whole number from 0 to this."""


class FraudLevel(StrEnum):
    """What a recovery does about suspicion."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"


class FraudAssessment(Value):
    """A level and what led to it."""

    level: FraudLevel
    score: int = 0
    """0 to 100."""
    reasons: tuple[str, ...] = ()
    signals: FraudSignals = FraudSignals()
    """What was looked up for it."""


class _Finding(NamedTuple):
    """One signal that was seen."""

    points: int
    reason: str
    at_least: FraudLevel = FraudLevel.CLEAR
    """The level that no policy goes below."""


RULES: Final = FraudRules()
NOTHING: Final = FraudSignals()


def assess(
    facts: FailureFacts | Risk,
    classification: Classification,
    signals: FraudSignals = NOTHING,
    rules: FraudRules = RULES,
) -> FraudAssessment:
    """Every signal adds its score; the sum gives the level. Same input, same answer. A Risk alone has no countries.

    No rules can lift two things: a dispute or an early fraud warning blocks, and a decline as fraud is reviewed.
    """
    found = [
        *_said(facts if isinstance(facts, Risk) else facts.risk, classification, rules),
        *_counted(signals, rules),
        *(_located(facts, rules) if isinstance(facts, FailureFacts) else ()),
        *_scored(signals),
    ]
    score = min(sum(one.points for one in found), HIGHEST)
    return FraudAssessment(
        level=_level(score, found, rules), score=score, reasons=tuple(one.reason for one in found), signals=signals
    )


def _level(score: int, found: list[_Finding], rules: FraudRules) -> FraudLevel:
    least = {one.at_least for one in found}
    if FraudLevel.BLOCK in least or score >= rules.block_at:
        return FraudLevel.BLOCK
    return FraudLevel.REVIEW if FraudLevel.REVIEW in least or score >= rules.review_at else FraudLevel.CLEAR


def _said(risk: Risk, classification: Classification, rules: FraudRules) -> Iterator[_Finding]:
    """By the provider and the issuer."""
    if risk.disputed:
        yield _Finding(HIGHEST, "the payment is disputed", FraudLevel.BLOCK)
    if risk.early_warning:
        yield _Finding(HIGHEST, "the card network sent an early fraud warning", FraudLevel.BLOCK)
    if classification.cause is Cause.FRAUD:
        points = rules.points(Signal.DECLINED_AS_FRAUD)
        yield _Finding(points, f"declined as fraud: {classification.decided_by}", FraudLevel.REVIEW)
    level = (risk.level or "").strip().lower()
    if level in _RATED and (points := rules.points(_RATED[level])):
        yield _Finding(points, f"the provider rates the risk as {level}")
    if rules.provider_score_min is not None and risk.score is not None and risk.score >= rules.provider_score_min:
        yield _Finding(rules.points(Signal.PROVIDER_SCORE), f"the provider's own score is {risk.score}")


_RATED: Final = {"highest": Signal.HIGHEST_RISK, "elevated": Signal.ELEVATED_RISK}


def _counted(signals: FraudSignals, rules: FraudRules) -> Iterator[_Finding]:
    """In our own log."""
    seen = signals.velocity
    counts = (
        (Signal.MANY_CARDS, seen.cards_of_customer, rules.cards_of_customer, "cards of this customer failed lately"),
        (Signal.MANY_CUSTOMERS, seen.customers_on_card, rules.customers_on_card, "customers used this card lately"),
        (Signal.BURST, seen.failures_in_burst, rules.failures_in_burst, "payments failed in a burst"),
    )
    for signal, count, threshold, words in counts:
        if count is not None and count >= threshold and rules.points(signal):
            yield _Finding(rules.points(signal), f"{count} {words}")


def _located(facts: FailureFacts, rules: FraudRules) -> Iterator[_Finding]:
    """A card from another country than its holder's address; many honest people have one, so it weighs little."""
    home, card = (_country(one) for one in (facts.customer, facts.card))
    points = rules.points(Signal.COUNTRY_MISMATCH)
    if home and card and home != card and points:
        yield _Finding(points, f"the card is from {card}, the customer from {home}")


def _country(known: object) -> str:
    return (getattr(known, "country", None) or "").upper()


def _scored(signals: FraudSignals) -> Iterator[_Finding]:
    """By a plugged-in scorer."""
    if signals.answer and signals.answer.score:
        why = "; ".join(signals.answer.reasons) or "no reason given"
        yield _Finding(signals.answer.score, f"{signals.scorer} gives {signals.answer.score}: {why}")
