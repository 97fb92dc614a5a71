"""What is looked up before fraud is assessed: how cards and customers follow each other, and a plug-in's opinion."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.base import Value
from core.classification.taxonomy import Cause
from core.payments import FailureFacts


class Velocity(Value):
    """Counts over the windows of the policy, this failure included; None where nobody could say."""

    cards_of_customer: int | None = None
    """Different cards of this customer that failed."""
    customers_on_card: int | None = None
    """Different customers with whom this card failed."""
    failures_in_burst: int | None = None
    """Payments that failed on this card or with this customer, in the short window; the larger of the two."""


class ScorerAnswer(Value):
    """What a plugged-in scorer says: 0 (harmless) to 100, and why, in words without personal data."""

    score: int
    reasons: tuple[str, ...] = ()


class FraudSignals(Value):
    """Everything that was looked up. What is missing counts for nothing and is named."""

    velocity: Velocity = Velocity()
    scorer: str | None = None
    """The plug-in that was asked."""
    answer: ScorerAnswer | None = None
    missing: tuple[str, ...] = ()
    """What could not be found out, and why."""


class ScorerQuestion(Value):
    """What a scorer is told: facts and ids, no contact data."""

    provider: str
    invoice_id: str
    customer_id: str | None
    cause: Cause
    facts: FailureFacts
    velocity: Velocity


class FraudScorer(Protocol):
    """A scorer of another package, registered in the entry point group `pri.fraud_scorers` as a class without
    arguments.

    `score` may be a coroutine function, or a plain one, which is called in a thread. It may raise and take its time:
    then it is left out.
    """

    def score(self, question: ScorerQuestion) -> ScorerAnswer | Awaitable[ScorerAnswer]:
        """How suspicious this payment is."""


ScorerFactory = Callable[[], FraudScorer]
