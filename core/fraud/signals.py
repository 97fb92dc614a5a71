"""What is looked up for a fraud assessment: velocity of cards and customers, and a plug-in's score."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.base import Value
from core.classification.taxonomy import Cause
from core.payments import FailureFacts


class Velocity(Value):
    """Counts over the policy's windows, this failure included; None if they could not be looked up."""

    cards_of_customer: int | None = None
    """Different cards of this customer that failed."""
    customers_on_card: int | None = None
    """Different customers with whom this card failed."""
    failures_in_burst: int | None = None
    """Payments that failed in the burst window, on this card or of this customer; the larger of the two."""


class ScorerAnswer(Value):
    """The answer of a scorer plug-in: a score from 0 (harmless) to 100, and reasons without personal data."""

    score: int
    reasons: tuple[str, ...] = ()


class FraudSignals(Value):
    """Everything that was looked up. A missing signal adds nothing to the score, and is named in `missing`."""

    velocity: Velocity = Velocity()
    scorer: str | None = None
    """The name of the plug-in that was asked."""
    answer: ScorerAnswer | None = None
    missing: tuple[str, ...] = ()
    """What could not be looked up, and why."""


class ScorerQuestion(Value):
    """The input of a scorer: facts and ids, no contact data."""

    provider: str
    invoice_id: str
    customer_id: str | None
    cause: Cause
    facts: FailureFacts
    velocity: Velocity


class FraudScorer(Protocol):
    """A scorer of another package, registered in the entry point group `pri.fraud_scorers` as a class without
    arguments.

    `score` may be a coroutine function, or a plain one, which is called in a thread. If it raises, or takes longer than
    the policy's `scorer_timeout_ms`, the assessment is made without it.
    """

    def score(self, question: ScorerQuestion) -> ScorerAnswer | Awaitable[ScorerAnswer]:
        """How suspicious this payment is, from 0 to 100."""


ScorerFactory = Callable[[], FraudScorer]
