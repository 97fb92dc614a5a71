"""What counts as suspicious and how much: the `[fraud]` part of a policy, with the shipped values as defaults."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from core.base import Value


class SignalKind(StrEnum):
    """What a policy may weigh. A dispute and an early fraud warning are not among it: they always block."""

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
    """Thresholds and scores. Scores of all signals are added up, to 100 at most."""

    review_at: int = 40
    """From this score on a person looks at it."""
    block_at: int = 100
    """From this score on the recovery ends."""
    window_seconds: int = 7 * 86_400
    """How far back cards and customers are counted."""
    burst_window_seconds: int = 3_600
    cards_of_customer: int = 5
    """From this many different cards of one customer in the window on."""
    customers_on_card: int = 4
    """From this many customers with one card in the window on."""
    failures_in_burst: int = 6
    """From this many failed payments of one card or customer in the burst window on."""
    provider_score_min: int | None = None
    """From this score of the provider on; None: its score alone says nothing."""
    scores: Mapping[SignalKind, int] = SHIPPED_SCORES
    scorer: str | None = None
    """The registered name of the scorer to ask; None: nobody is asked."""
    scorer_timeout_ms: int = 500

    def points_for(self, signal: SignalKind) -> int:
        """What a signal adds to the score."""
        return self.scores.get(signal, SHIPPED_SCORES[signal])
