"""The rules of a fraud assessment: the `[fraud]` table of a policy, with the shipped values as defaults."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from core.base import Value


class SignalKind(StrEnum):
    """Signals whose score a policy may set. A dispute and an early fraud warning are left out: they always block."""

    DECLINED_AS_FRAUD = "declined_as_fraud"
    HIGHEST_RISK = "highest_risk"
    ELEVATED_RISK = "elevated_risk"
    PROVIDER_SCORE = "provider_score"
    MANY_CARDS = "many_cards"
    MANY_CUSTOMERS = "many_customers"
    BURST = "burst"
    COUNTRY_MISMATCH = "country_mismatch"


SHIPPED_SCORES: Final[Mapping[SignalKind, int]] = {
    SignalKind.DECLINED_AS_FRAUD: 40,
    SignalKind.HIGHEST_RISK: 40,
    SignalKind.ELEVATED_RISK: 10,
    SignalKind.PROVIDER_SCORE: 40,
    SignalKind.MANY_CARDS: 10,
    SignalKind.MANY_CUSTOMERS: 10,
    SignalKind.BURST: 10,
    SignalKind.COUNTRY_MISMATCH: 10,
}


class FraudRules(Value):
    """Thresholds and scores. The scores of all signals that apply are added up, to 100 at most."""

    review_at: int = 40
    """Score from which an operator must review the recovery."""
    block_at: int = 100
    """Score from which the recovery ends."""
    window_seconds: int = 7 * 86_400
    """How far back cards and customers are counted."""
    burst_window_seconds: int = 3_600
    cards_of_customer: int = 5
    """Number of different cards of one customer in the window from which MANY_CARDS applies."""
    customers_on_card: int = 4
    """Number of customers with one card in the window from which MANY_CUSTOMERS applies."""
    failures_in_burst: int = 6
    """Number of failed payments of one card or customer in the burst window from which BURST applies."""
    provider_score_min: int | None = None
    """Provider risk score from which PROVIDER_SCORE applies; None: it never does."""
    scores: Mapping[SignalKind, int] = SHIPPED_SCORES
    scorer: str | None = None
    """The registered name of the plug-in that gives a score; None: there is none."""
    scorer_timeout_ms: int = 500

    def points_for(self, signal: SignalKind) -> int:
        """What a signal adds to the score, 0 to 100; the shipped score if this policy sets none."""
        return self.scores.get(signal, SHIPPED_SCORES[signal])
