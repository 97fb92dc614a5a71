"""Recoveries that really happened, in short: what the event log and history files have in common."""

from typing import Final, NamedTuple

from core.classifier.taxonomy import Cause
from core.events import State, Trigger
from core.retry.planner import Exhaustion
from simulator.cases import FailureKind, Payer

USED_UP: Final = frozenset({*Exhaustion, "network_limit"})
"""Reasons why no retry is left."""


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
    window_ends_at: int | None = None
    """Of the policy that ran; None where nobody says."""

    @property
    def charged(self) -> bool:
        """Whether a charge brought the money."""
        return any(one.won for one in self.attempts)

    @property
    def closed_early(self) -> bool:
        """Whether it was closed with its last retry, as older releases did, and not at the end of its window."""
        ends, closed = self.window_ends_at, self.closed_at
        return self.reason in USED_UP and ends is not None and closed is not None and closed < ends

    @property
    def paid_in_window(self) -> bool:
        """Whether the money came by itself behind such an end: today it would have been waited for."""
        return self.closed_early and self._in_window(self.paid_at)

    @property
    def given_in_window(self) -> bool:
        """Whether another card was given behind such an end, which nobody charged."""
        given = self.method_at is not None and self.closed_at is not None and self.method_at > self.closed_at
        return self.closed_early and given and self._in_window(self.method_at)

    def _in_window(self, at: int | None) -> bool:
        return at is not None and self.window_ends_at is not None and at <= self.window_ends_at
