"""Recorded recoveries in the form that the event log and history files are both converted to."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from core.classification.taxonomy import Cause
from core.events import State, Trigger
from core.payments import Card, Failure, Risk
from core.planning.planner import ExhaustionReason
from core.segmentation.rules import CustomerProfile
from simulator.model.cases import FailureKind, Payer

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


@dataclass
class RecoveryDraft:
    """A recovery as assembled from the rows read so far. Times in seconds since 1970, amounts in minor units."""

    invoice_id: str
    customer_id: str
    amount: int
    currency: str
    failed_at: int
    last_failure_at: int
    """Time of the newest failure: the next wait counts from it."""
    failure: Failure = field(default_factory=Failure)
    card: Card = field(default_factory=Card)
    risk: Risk | None = None
    fingerprint: str | None = None
    country: str | None = None
    profile: CustomerProfile = field(default_factory=CustomerProfile)
    first_cause: Cause | None = None
    cause: Cause | None = None
    """Of the newest failure."""
    retries_used: int = 0
    charge_in_flight: tuple[int, Trigger] | None = None
    """Time and trigger of the charge in flight."""
    fresh: bool = False
    """Another card was given, and nothing charged since."""
    attempts: list[RecordedAttempt] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    paid_at: int | None = None
    amount_open: int | None = None
    """The amount still open after a partial payment; None: all of it."""
    paid_late: int = 0
    """The amount paid after the end of an unpaid recovery."""
    method_at: int | None = None
    window_ends_at: int | None = None
    closed_at: int | None = None
    state: State | None = None
    reason: str = ""
    decisions: list[str] = field(default_factory=list)
