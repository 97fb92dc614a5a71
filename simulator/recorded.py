"""Recoveries that really happened, in short: what the event log and history files have in common."""

from typing import Final, NamedTuple

from core.classifier.taxonomy import Cause
from core.events import State, Trigger
from core.retry.planner import ExhaustionReason
from simulator.cases import FailureKind, Payer

EXHAUSTED_REASONS: Final = frozenset({*ExhaustionReason, "network_limit"})
"""Reasons why no retry is left."""


class RecordedAttempt(NamedTuple):
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


class RecordedRecovery(NamedTuple):
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
    attempts: tuple[RecordedAttempt, ...]
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
    window_ends_at: int | None = None
    """Of the policy that ran; None where nobody says."""

    @property
    def has_won_charge(self) -> bool:
        """Whether a charge brought the money."""
        return any(one.won for one in self.attempts)

    @property
    def is_closed_early(self) -> bool:
        """Whether it was closed with its last retry, as older releases did, and not at the end of its window."""
        ends, closed = self.window_ends_at, self.closed_at
        return self.reason in EXHAUSTED_REASONS and ends is not None and closed is not None and closed < ends

    @property
    def is_paid_in_window(self) -> bool:
        """Whether the money came by itself behind such an end: today it would have been waited for."""
        return self.is_closed_early and self._is_in_window(self.paid_at)

    @property
    def has_method_in_window(self) -> bool:
        """Whether another card was given behind such an end, which nobody charged."""
        given = self.method_at is not None and self.closed_at is not None and self.method_at > self.closed_at
        return self.is_closed_early and given and self._is_in_window(self.method_at)

    def _is_in_window(self, at: int | None) -> bool:
        return at is not None and self.window_ends_at is not None and at <= self.window_ends_at
