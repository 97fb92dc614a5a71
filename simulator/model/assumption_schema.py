"""The shape of `assumptions.toml`: every section holds numbers, where they come from and why they may be wrong."""

from datetime import date
from math import fsum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from core.classification.taxonomy import Cause
from core.strategies.experience import DELAY_EDGES
from simulator.model.number_shapes import (
    ByEveryCause,
    Chance,
    CompleteParts,
    Count,
    Factor,
    Name,
    SchemaTable,
    ShareByName,
    WeightedPart,
    validate_shares,
)
from simulator.model.outcomes import LAST_ATTEMPT

Code = Name | None


class Section(SchemaTable):
    """Numbers with one source."""

    source: Annotated[str, Field(min_length=10)]
    weakness: Annotated[str, Field(min_length=10)]


class Shares(Section):
    """What share each name has."""

    shares: ShareByName


class DeclinePattern(WeightedPart):
    """One way in which a reason is reported, its share within reason and network; None: nothing is said."""

    reason: Name
    networks: tuple[Name, ...] = ()
    """Only these; empty: all."""
    card: bool = True
    """False: a payment method without a card network."""
    cause: Cause
    code: Code = None
    advice: Code = None
    network_code: Code = None
    network_advice: Code = None
    outcome: Code = None
    outcome_reason: Code = None
    network_status: Code = None
    risk_level: Name = "normal"

    def fits_network(self, network: str) -> bool:
        """Whether failures of this network may be reported so."""
        return self.card and (not self.networks or network in self.networks)


class Failures(Section):
    """How reasons are reported."""

    lines: tuple[DeclinePattern, ...]


def _check_time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone") from error


class Place(WeightedPart):
    """Where customers live."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    time_zone: Annotated[Name, AfterValidator(_check_time_zone)]


class Places(Section):
    """All of them."""

    places: CompleteParts[Place]


class PricePoint(WeightedPart):
    """An amount in minor units."""

    amount: Annotated[int, Field(strict=True, ge=1, le=10**12)]


class Amounts(Section):
    """What is owed, all in one currency."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    points: CompleteParts[PricePoint]


class CustomerClass(WeightedPart):
    """Customers with the same past."""

    tenure_days: Count
    successes: Count
    failures: Count


class Customers(Section):
    """All classes of them."""

    classes: CompleteParts[CustomerClass]


class PriorClass(WeightedPart):
    """Cards that were tried so often before."""

    tries: Annotated[int, Field(strict=True, ge=0, le=100)]


class Priors(Section):
    """Tries of a card before the failure, spread evenly over the days before it."""

    within_days: Annotated[int, Field(strict=True, ge=1, le=365)]
    classes: CompleteParts[PriorClass]


class Arrivals(Section):
    """When payments fail: evenly over the days, by the hour of UTC."""

    first_day: date
    days: Annotated[int, Field(strict=True, ge=1, le=3_660)]
    hours: Annotated[tuple[Chance, ...], Field(min_length=24, max_length=24), AfterValidator(validate_shares)]


class ByCause(Section):
    """A chance for every cause."""

    chances: ByEveryCause[Chance]


class ByAttempt(Section):
    """A factor for each scheduled retry."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=LAST_ATTEMPT, max_length=LAST_ATTEMPT)]


class ByDelay(Section):
    """A factor for each delay class."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=len(DELAY_EDGES) + 1, max_length=len(DELAY_EDGES) + 1)]


class ByHour(Section):
    """A factor for each local hour."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=24, max_length=24)]


class ByWeekday(Section):
    """A factor for each local day from Monday."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=7, max_length=7)]


class SingleFactor(Section):
    """A single factor."""

    factor: Factor


class SingleChance(Section):
    """A single chance."""

    chance: Chance


class NewMethod(SingleChance):
    """The first charge of another card."""

    code: Name
    """What is said where it fails."""


class Messages(Section):
    """When they are sent, and what they add up to."""

    days: Annotated[tuple[Count, ...], Field(min_length=1, max_length=60)]
    rates: tuple[Chance, ...]
    """Relative: how the sum is spread over the days."""
    added: tuple[Chance, ...]

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if len(self.rates) != len(self.days):
            raise ValueError(f"there are {len(self.days)} days and {len(self.rates)} rates")
        if list(self.days) != sorted(set(self.days)):
            raise ValueError("the days must rise")
        if not any(self.rates) and self.total_share:
            raise ValueError("the rates are all 0, so that nothing says when customers answer")
        if self.total_share > 1:
            raise ValueError(f"the added shares come to {self.total_share:g}, more than everybody")
        return self

    @property
    def total_share(self) -> float:
        """Share of all customers who answer one of the messages."""
        return fsum(self.added)


class Answer(SchemaTable):
    """How customers answer after failures of one cause."""

    willing: Factor
    another_card: Chance


class Answers(Section):
    """All causes'."""

    causes: ByEveryCause[Answer]


class Step(WeightedPart):
    """So many hours later at most, evenly from the step before."""

    hours: Annotated[int, Field(strict=True, ge=1, le=24 * 365)]


def _check_rising_hours(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    ends = [one.hours for one in steps]
    if ends != sorted(set(ends)):
        raise ValueError("the hours must rise")
    return steps


class Steps(Section):
    """How long something takes."""

    steps: Annotated[CompleteParts[Step], AfterValidator(_check_rising_hours)]


class Baseline(SchemaTable):
    """Shares of customers who pay without anybody doing anything."""

    soft: Chance
    """After all but hard declines."""
    hard: Chance


class SelfRecovery(Section, Baseline):
    """The baseline that is believed."""


class Sweep(Section):
    """The baselines that are tried."""

    points: tuple[Baseline, ...]
