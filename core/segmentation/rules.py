"""Segments of customers, chosen by named rules: the first rule whose conditions all hold applies."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Cause

DEFAULT_SEGMENT = "default"
PROFILE_NOT_LOADED: Final = "the profile could not be loaded"


class PaymentTally(Value):
    """How many payments of one kind succeeded and failed."""

    successes: int = 0
    failures: int = 0

    @property
    def success_percent(self) -> int:
        """Percentage of successful payments, 0 to 100, rounded down, with one success and one failure added.

        The two added payments, a Beta(1, 1) prior, keep a single payment from reading as 0 or 100 percent.
        """
        return _success_percent(self.successes, self.failures)


def _success_percent(successes: int, failures: int) -> int:
    return (successes + 1) * 100 // (successes + failures + 2)


class CustomerProfile(Value):
    """What is known of a customer. Every field may be missing; amounts are minor units of `currency`."""

    recurring_revenue: int | None = None
    """What their subscription bills in 30 days."""
    lifetime_value: int | None = None
    """What they have paid so far."""
    invoice_amount: int | None = None
    """What is open of this invoice."""
    currency: str | None = None
    """ISO 4217, upper case."""
    successes: int | None = None
    """Recoveries of this customer that ended with the money."""
    failures: int | None = None
    """Recoveries of this customer that ended without it."""
    open_recoveries: int | None = None
    by_cause: Mapping[Cause, PaymentTally] = {}
    """The same successes and failures, by the cause of the first failure."""
    country: str | None = None
    """ISO 3166 of the billing address, upper case."""
    card_country: str | None = None
    time_zone: str | None = None
    tenure_days: int | None = None
    """Days since the provider's record of the customer was created."""

    @property
    def success_percent(self) -> int | None:
        """As `PaymentTally.success_percent`; None if neither successes nor failures are known."""
        if self.successes is None and self.failures is None:
            return None
        return _success_percent(self.successes or 0, self.failures or 0)

    def field_value(self, field: str) -> Any:
        """A field's value by its name in conditions; `successes_CAUSE` and the like are of one cause. None: unknown."""
        if field not in _PER_CAUSE:
            return getattr(self, field)
        of_all, of_cause = _PER_CAUSE[field]
        if self.successes is None and self.failures is None:
            return None
        return getattr(self.by_cause.get(of_cause, PaymentTally()), of_all)


_PER_CAUSE: Final[Mapping[str, tuple[str, Cause]]] = {
    f"{field}_{cause.lower()}": (field, cause)
    for field in ("successes", "failures", "success_percent")
    for cause in Cause
}


class ConditionOperator(StrEnum):
    """How a condition compares; its value is the suffix of the key in the policy file."""

    AT_LEAST = "min"
    AT_MOST = "max"
    ONE_OF = "in"


NUMBER_FIELDS = frozenset(
    {
        "recurring_revenue",
        "lifetime_value",
        "invoice_amount",
        "successes",
        "failures",
        "success_percent",
        "open_recoveries",
        "tenure_days",
        *_PER_CAUSE,
    }
)
TEXT_FIELDS = frozenset({"currency", "country", "card_country", "time_zone"})


class Condition(Value):
    """One comparison with one field of the profile."""

    field: str
    operator: ConditionOperator
    bound: int | tuple[str, ...]

    def is_met_by(self, profile: CustomerProfile) -> bool:
        """Whether the profile meets the condition; an unknown field never does."""
        known = profile.field_value(self.field)
        if known is None:
            return False
        if isinstance(self.bound, tuple):
            return str(known).upper() in self.bound
        return bool(known >= self.bound if self.operator is ConditionOperator.AT_LEAST else known <= self.bound)

    def __str__(self) -> str:
        bound = ",".join(self.bound) if isinstance(self.bound, tuple) else self.bound
        return f"{self.field}_{self.operator}={bound}"


class SegmentRule(Value):
    """A segment's name and the conditions that its customers all meet."""

    name: str
    when: tuple[Condition, ...] = ()

    @cached_property
    def described(self) -> str:
        """Its conditions as the policy file writes them, joined by `and`."""
        return " and ".join(map(str, self.when))


class Segment(Value):
    """The segment of a customer, with the rule that matched and the values that it matched on."""

    name: str
    rule: str
    why: str
    profile: CustomerProfile | None = None
    """The profile it was decided from; None if that could not be loaded, or the segment was decided before."""


def find_segment(profile: CustomerProfile | None, rules: Sequence[SegmentRule]) -> Segment:
    """The segment of the first rule that matches; the default segment without a profile or a match.

    A rule without conditions never matches here: it is the default, which stands last.
    """
    if profile is None:
        return _default_segment(PROFILE_NOT_LOADED)
    for rule in rules:
        if rule.when and all(one.is_met_by(profile) for one in rule.when):
            return _matched_segment(rule, profile)
    return _default_segment("no other rule fits", profile)


def _matched_segment(rule: SegmentRule, profile: CustomerProfile) -> Segment:
    seen = {condition.field: profile.field_value(condition.field) for condition in rule.when}
    why = ", ".join(f"{field} is {value}" for field, value in seen.items())
    return Segment(name=rule.name, rule=rule.described, why=why, profile=profile)


def _default_segment(why: str, profile: CustomerProfile | None = None) -> Segment:
    return Segment(name=DEFAULT_SEGMENT, rule=DEFAULT_SEGMENT, why=why, profile=profile)
