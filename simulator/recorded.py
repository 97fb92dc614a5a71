"""Recoveries that really happened, in short: what the event log and history files have in common."""

from typing import NamedTuple

from core.classifier.taxonomy import Cause
from core.events import State, Trigger
from simulator.cases import FailureKind, Payer


class Attempt(NamedTuple):
    """One charge with a definite answer. Times in seconds since 1970, UTC."""

    at: int
    trigger: Trigger
    won: bool
    cause: Cause
    """Of the failure before it."""
    retry: int
    """Which scheduled retry it is, or would be, from 1."""
    waited: int
    """Seconds since the failure before."""
    fresh: bool
    """The first charge of another card, which the customer gave after the failure."""


class Recorded(NamedTuple):
    """One recovery. Times in seconds since 1970, UTC; None: it was not seen to happen."""

    invoice_id: str
    customer_id: str
    kind: FailureKind
    cause: Cause
    """Of the failure that opened it."""
    fingerprint: str | None
    """Of the card that failed first."""
    payer: Payer
    failed_at: int
    attempts: tuple[Attempt, ...]
    tries: tuple[int, ...]
    """Of that card that reached its network, the first failure among them."""
    paid_at: int | None
    """Paid, but not by a charge of ours."""
    method_at: int | None
    closed_at: int | None
    state: State | None
    """The end; None while it is open."""
    reason: str
    decisions: tuple[str, ...] = ()
    """The policy version of each decision."""

    @property
    def charged(self) -> bool:
        """Whether a charge brought the money."""
        return any(one.won for one in self.attempts)
