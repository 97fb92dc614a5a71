"""Which customer this is, as far as it changes how we retry: named rules, the first that fits counts."""

from collections.abc import Sequence
from enum import StrEnum

from core.base import Value

DEFAULT_SEGMENT = "default"


class CustomerProfile(Value):
    """What we know of a customer. Every field may be missing; money is minor units of `currency`."""

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
    country: str | None = None
    """ISO 3166 of the customer, upper case."""
    card_country: str | None = None
    time_zone: str | None = None
    tenure_days: int | None = None
    """Days since the provider first knew them."""

    @property
    def success_percent(self) -> int | None:
        """Share of payments that went through, 0 to 100, as if one of each had been seen before.

        The two imagined payments keep one lucky one from proving anything. None where nothing is known.
        """
        if self.successes is None and self.failures is None:
            return None
        won, lost = self.successes or 0, self.failures or 0
        return (won + 1) * 100 // (won + lost + 2)


class Operator(StrEnum):
    """How a condition compares; also the ending of its key in the policy file."""

    AT_LEAST = "min"
    AT_MOST = "max"
    ONE_OF = "in"


NUMBERS = frozenset(
    {
        "lifetime_value",
        "invoice_amount",
        "successes",
        "failures",
        "success_percent",
        "open_recoveries",
        "tenure_days",
    }
)
TEXTS = frozenset({"currency", "country", "card_country", "time_zone"})


class Condition(Value):
    """One comparison with one field of the profile."""

    field: str
    operator: Operator
    bound: int | tuple[str, ...]

    def holds(self, profile: CustomerProfile) -> bool:
        """Whether it is so; what is not known never is."""
        known = getattr(profile, self.field)
        if known is None:
            return False
        if isinstance(self.bound, tuple):
            return str(known).upper() in self.bound
        return bool(known >= self.bound if self.operator is Operator.AT_LEAST else known <= self.bound)

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


def segment(profile: CustomerProfile | None, rules: Sequence[SegmentRule]) -> Segment:
    """The first rule that fits; without a profile, or where none fits, the default segment, which says so."""
    if profile is None:
        return _default("the profile could not be loaded")
    fitting = (rule for rule in rules if rule.when and all(one.holds(profile) for one in rule.when))
    found = next(fitting, None)
    return _named(found, profile) if found else _default("no other rule fits")


def _named(rule: SegmentRule, profile: CustomerProfile) -> Segment:
    seen = {condition.field: getattr(profile, condition.field) for condition in rule.when}
    why = ", ".join(f"{field} is {value}" for field, value in seen.items())
    return Segment(name=rule.name, rule=" and ".join(map(str, rule.when)), why=why)


def _default(why: str) -> Segment:
    return Segment(name=DEFAULT_SEGMENT, rule=DEFAULT_SEGMENT, why=why)
