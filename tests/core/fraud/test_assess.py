"""The fraud assessment uses what the provider said, and nothing else."""

import pytest

from core.classification.taxonomy import Cause, Classification
from core.fraud.assessment import assess_fraud
from core.payments import Risk


def classification_of(cause: Cause) -> Classification:
    return Classification(category=cause.category, cause=cause, decided_by="stripe decline_code=x", source="S1")


@pytest.mark.parametrize(
    ("risk", "cause", "level", "reasons"),
    [
        (Risk(), Cause.GENERIC, "clear", 0),
        (Risk(level="elevated", score=70, disputed=False, early_warning=False), Cause.GENERIC, "clear", 1),
        (Risk(level="Highest"), Cause.GENERIC, "review", 1),
        (Risk(), Cause.FRAUD, "review", 1),
        (Risk(disputed=True), Cause.GENERIC, "block", 1),
        (Risk(early_warning=True), Cause.GENERIC, "block", 1),
        (Risk(disputed=True, early_warning=True, level="highest"), Cause.FRAUD, "block", 4),
    ],
)
def test_risk_levels(risk: Risk, cause: Cause, level: str, reasons: int) -> None:
    answer = assess_fraud(risk, classification_of(cause))
    assert (answer.level, len(answer.reasons)) == (level, reasons)
    assert 0 <= answer.score <= 100
