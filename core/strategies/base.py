"""The interface of retry strategies: Situation in, Proposal out."""

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
    """What a strategy wants to be looked up for it; it says so in a class attribute `needs`, a set of these."""

    CALENDAR = "calendar"
    EXPERIENCE = "experience"


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
    earliest_seconds: int = 0
    """Nothing sooner after `failed_at` counts: now, the cool-down, the asked wait. As the policy counts time."""
    window_seconds: int | None = None
    """Nothing later after `failed_at` counts, in the same measure."""
    calendar: Calendar | None = None
    """Only for strategies that need it; None where it could not be looked up."""
    experience: Experience | None = None
    """Likewise."""


class Proposal(Value):
    """When to charge next, in seconds after `failed_at`, and why, in words for a person."""

    delay_seconds: int
    why: str
    steady_seconds: int | None = None
    """The delay without this invoice's own share of the jitter; None where every invoice has to be asked about."""
    jitter_seconds: int = 0
    """The most that such a share can be."""
    late_ends: bool = False
    """Beyond the window this is the end, as of a ladder's rung; else it is taken for a mistake."""


class RetryStrategy(Protocol):
    """A pure rule for the next retry. Registered by an entry point in the group `pri.strategies`.

    The entry point is a class that is made with the strategy's own table of the policy file as keyword arguments
    and raises InvalidPolicy where these don't fit. Optional class attributes: `needs`, a set of Need;
    `waits_for_method = True`, where None means that the recovery waits for another payment method; `shared = True`,
    where answers depend on attempt, cause, segment and asked wait alone, but for the jitter that they tell of: the
    simulator then asks once for all invoices that are alike.
    """

    def propose(self, situation: Situation) -> Proposal | None:
        """The next retry; None when this strategy has none left."""


MAX_JITTER_PERCENT = 50


def check_jitter_percent(percent: object) -> int:
    """A jitter of 0 to 50 percent. Raises InvalidPolicy for anything else."""
    if type(percent) is not int or not 0 <= percent <= MAX_JITTER_PERCENT:
        raise InvalidPolicy(f"jitter_percent is {percent!r}; it must be a whole number from 0 to {MAX_JITTER_PERCENT}")
    return percent


def propose_with_jitter(
    delay_seconds: int, percent: int, invoice_id: str, attempt: int, why: str, **more: Any
) -> Proposal:
    """The delay, later by 0 to `percent` of itself; never earlier. Whole seconds, the same for the same attempt."""
    widest = delay_seconds * percent // 100
    share = spread_attempt(invoice_id, attempt) * (widest + 1) >> 32
    parts = {"steady_seconds": delay_seconds, "jitter_seconds": widest}
    return Proposal(delay_seconds=delay_seconds + share, why=why, **parts, **more)
