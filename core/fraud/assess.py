"""How suspicious a failed payment is, from what the provider and the issuer said, and nothing else."""

from enum import StrEnum

from core.base import Value
from core.classifier.taxonomy import Cause, Classification
from core.payments import Risk


class FraudLevel(StrEnum):
    """What a recovery does about suspicion."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"


class FraudAssessment(Value):
    """A level and the signals that led to it."""

    level: FraudLevel
    score: int | None = None
    """The provider's own score as it gave it; None where it gave none."""
    reasons: tuple[str, ...] = ()


def assess(risk: Risk, classification: Classification) -> FraudAssessment:
    """Dispute or early fraud warning: block. Fraud as the cause, or the provider's highest risk: review. Else clear."""
    blocking = _blocking(risk)
    reasons = blocking + _suspicious(risk, classification)
    level = FraudLevel.BLOCK if blocking else FraudLevel.REVIEW if reasons else FraudLevel.CLEAR
    return FraudAssessment(level=level, score=risk.score, reasons=reasons)


def _blocking(risk: Risk) -> tuple[str, ...]:
    disputed = ("the payment is disputed",) if risk.disputed else ()
    return (*disputed, "the card network sent an early fraud warning") if risk.early_warning else disputed


def _suspicious(risk: Risk, classification: Classification) -> tuple[str, ...]:
    declined = classification.cause is Cause.FRAUD
    cause = (f"declined as fraud: {classification.decided_by}",) if declined else ()
    highest = (risk.level or "").strip().lower() == "highest"
    return (*cause, "the provider rates the risk as highest") if highest else cause
