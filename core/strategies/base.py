"""The interface of retry strategies: a Situation goes in, a Proposal comes out."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from core.base import Value
from core.calendar import Calendar
from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.ids import spread_attempt
from core.strategies.experience import Experience


class Need(StrEnum):
    """What must be looked up for a strategy, which names it in a class attribute `needs`, a set of these."""

    CALENDAR = "calendar"
    EXPERIENCE = "experience"


class Situation(Value):
    """All that a strategy may know about a failure, the time included: the same situation gives the same proposal.

    `amount` is in minor units of `currency`.
    """

    provider: str
    invoice_id: str
    attempt: int
    """Number of the scheduled retry that is planned, from 1."""
    cause: Cause
    segment: str
    amount: int
    currency: str
    failed_at: datetime
    """When the failure or attempt happened from which the next delay counts."""
    now: datetime
    country: str | None = None
    time_zone: str | None = None
    asked_wait_seconds: int | None = None
    """The wait that the network or the provider asked for."""
    earliest_seconds: int = 0
    """The earliest delay after `failed_at`: now, the cool-down, the asked wait. In unscaled time, as policies are."""
    window_seconds: int | None = None
    """The latest delay after `failed_at`, in unscaled time too; None: there is no window."""
    calendar: Calendar | None = None
    """Only for strategies that need it; None where it could not be looked up."""
    experience: Experience | None = None
    """Only for strategies that need it; None if it could not be looked up."""


class Proposal(Value):
    """When to charge next, in seconds after `failed_at`, and why, in words for a person."""

    delay_seconds: int
    why: str
    steady_seconds: int | None = None
    """The delay without this invoice's jitter; None if it depends on the invoice."""
    jitter_seconds: int = 0
    """The largest jitter that can be added to it."""
    late_ends: bool = False
    """Whether a delay beyond the window ends the retries, as a ladder's does; otherwise it counts as a mistake."""


class RetryStrategy(Protocol):
    """A pure rule for the next retry. Registered by an entry point in the group `pri.strategies`.

    The entry point is a class. It is called with the strategy's own table of the policy file as keyword arguments and
    raises InvalidPolicy if these are wrong. Optional class attributes: `needs`, a set of Need;
    `waits_for_method = True`, if None means that the recovery waits for another payment method; `shared = True`, if
    the proposal depends on attempt, cause, segment and asked wait alone, apart from the jitter that it states: the
    simulator then asks once for all such invoices.
    """

    def propose(self, situation: Situation) -> Proposal | None:
        """The next retry; None if this strategy has none left."""


MAX_JITTER_PERCENT = 50


def check_jitter_percent(percent: object) -> int:
    """The jitter, a whole number from 0 to 50. Raises InvalidPolicy for anything else."""
    if type(percent) is not int or not 0 <= percent <= MAX_JITTER_PERCENT:
        raise InvalidPolicy(f"jitter_percent is {percent!r}; it must be a whole number from 0 to {MAX_JITTER_PERCENT}")
    return percent


def propose_with_jitter(
    delay_seconds: int, percent: int, invoice_id: str, attempt: int, why: str, **more: Any
) -> Proposal:
    """The delay, lengthened by 0 to `percent` of itself: whole seconds, the same for the same invoice and attempt."""
    widest = delay_seconds * percent // 100
    # Scales the 32-bit integer evenly to 0 … widest, in integers alone, so that it is the same everywhere.
    share = spread_attempt(invoice_id, attempt) * (widest + 1) >> 32
    parts = {"steady_seconds": delay_seconds, "jitter_seconds": widest}
    return Proposal(delay_seconds=delay_seconds + share, why=why, **parts, **more)
