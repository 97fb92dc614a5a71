"""What a retry strategy sees and says."""

from datetime import datetime
from typing import Protocol

from core.base import Value
from core.classifier.taxonomy import Cause


class Situation(Value):
    """All that a strategy may know about a failure, the moment being part of it: same situation, same proposal."""

    provider: str
    invoice_id: str
    attempt: int
    """Which scheduled retry is to be planned, from 1."""
    cause: Cause
    segment: str
    amount: int
    currency: str
    failed_at: datetime
    """The failure, or the attempt, that the next delay counts from."""
    now: datetime
    country: str | None = None
    time_zone: str | None = None
    asked_wait_seconds: int | None = None
    """A wait that the network or the provider asked for."""


class Proposal(Value):
    """When to charge next, in seconds after `failed_at`, and why, in words for a person."""

    delay_seconds: int
    why: str


class RetryStrategy(Protocol):
    """A pure rule for the next retry. Registered by an entry point in the group `pri.strategies`.

    The entry point is a class that is made with the strategy's own table of the policy file as keyword arguments
    and raises InvalidPolicy where these don't fit.
    """

    def propose(self, situation: Situation) -> Proposal | None:
        """The next retry; None when this strategy has none left."""
