"""Which customer this is, as far as it changes how we retry: named rules, the first that fits counts."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Cause

DEFAULT_SEGMENT = "default"
PROFILE_NOT_LOADED: Final = "the profile could not be loaded"


class PaymentTally(Value):
    """How payments of one kind ended."""

    successes: int = 0
    failures: int = 0

    @property
    def success_percent(self) -> int:
        """Share of payments that went through, 0 to 100, as if one of each had been seen before.

        The two imagined payments, a Beta(1, 1) prior, keep one lucky one from proving anything.
        """
        return (self.successes + 1) * 100 // (self.successes + self.failures + 2)


class CustomerProfile(Value):
    """What we know of a customer. Every field may be missing; money is minor units of `currency`."""

    recurring_revenue: int | None = None
    """What their subscription brings in 30 days."""
    lifetime_value: int | None = None
    """Paid so far."""
    invoice_amount: int | None = None
    """What is open now."""
    currency: str | None = None
    """ISO 4217, upper case."""
    successes: int | None = None
    """Payments that went through."""
    failures: int | None = None
    """Payments that failed."""
    open_recoveries: int | None = None
    by_cause: Mapping[Cause, PaymentTally] = {}
    """The same successes and failures, by why the payment had failed at first."""
    country: str | None = None
    """ISO 3166 of the billing address, upper case."""
    card_country: str | None = None
    time_zone: str | None = None
    tenure_days: int | None = None
    """Days since the provider first knew them."""

    @property
    def success_percent(self) -> int | None:
        """As a tally counts it; None where nothing is known."""
        if self.successes is None and self.failures is None:
            return None
        return PaymentTally(successes=self.successes or 0, failures=self.failures or 0).success_percent

    def field_value(self, field: str) -> Any:
        """A field as conditions name it; `successes_CAUSE` and the like ask for one cause. None: not known."""
        of_all, of_cause = _PER_CAUSE.get(field, (field, None))
        if of_cause is None:
            return getattr(self, of_all)
        if self.successes is None and self.failures is None:
            return None
        return getattr(self.by_cause.get(of_cause, PaymentTally()), of_all)


_PER_CAUSE: Final[Mapping[str, tuple[str, Cause]]] = {
    f"{field}_{cause.lower()}": (field, cause)
    for field in ("successes", "failures", "success_percent")
    for cause in Cause
}


class ConditionOperator(StrEnum):
    """How a condition compares; also the ending of its key in the policy file."""

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
        """Whether it is so; what is not known never is."""
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
    """A segment's name and what must all be true of its customers; without conditions everybody is in it."""

    name: str
    when: tuple[Condition, ...] = ()


class Segment(Value):
    """The segment a customer is in, the rule that put them there, and why in words."""

    name: str
    rule: str
    why: str
    profile: CustomerProfile | None = None
    """What it was decided from; None where that could not be loaded, or was decided before."""


def find_segment(profile: CustomerProfile | None, rules: Sequence[SegmentRule]) -> Segment:
    """The first rule that fits; without a profile, or where none fits, the default segment, which says so."""
    if profile is None:
        return _default_segment(PROFILE_NOT_LOADED)
    fitting = (rule for rule in rules if rule.when and all(one.is_met_by(profile) for one in rule.when))
    found = next(fitting, None)
    return _matched_segment(found, profile) if found else _default_segment("no other rule fits", profile)


def _matched_segment(rule: SegmentRule, profile: CustomerProfile) -> Segment:
    seen = {condition.field: profile.field_value(condition.field) for condition in rule.when}
    why = ", ".join(f"{field} is {value}" for field, value in seen.items())
    return Segment(name=rule.name, rule=" and ".join(map(str, rule.when)), why=why, profile=profile)


def _default_segment(why: str, profile: CustomerProfile | None = None) -> Segment:
    return Segment(name=DEFAULT_SEGMENT, rule=DEFAULT_SEGMENT, why=why, profile=profile)
