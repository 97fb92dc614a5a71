"""The schema of `assumptions.toml`: each section holds numbers, their source and their weakness."""

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
from simulator.model.success_chances import LAST_ATTEMPT

Code = Name | None


class Section(SchemaTable):
    """Base of all sections: numbers that share a source and a weakness."""

    source: Annotated[str, Field(min_length=10)]
    weakness: Annotated[str, Field(min_length=10)]


class Shares(Section):
    """A share for each name; they add up to 1."""

    shares: ShareByName


class DeclinePattern(WeightedPart):
    """One way a provider reports a reason, with its share within reason and network; None: the field is absent."""

    reason: Name
    networks: tuple[Name, ...] = ()
    """The networks that report it so; empty: all."""
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
        """Whether a failure on this network may be reported so."""
        return self.card and (not self.networks or network in self.networks)


class Failures(Section):
    """The decline patterns of all reasons."""

    lines: tuple[DeclinePattern, ...]


def _check_time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone") from error


class Place(WeightedPart):
    """A country and time zone with its share of customers."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    time_zone: Annotated[Name, AfterValidator(_check_time_zone)]


class Places(Section):
    """Where customers live; shares add up to 1."""

    places: CompleteParts[Place]


class PricePoint(WeightedPart):
    """An invoice amount in minor units, with its share of invoices."""

    amount: Annotated[int, Field(strict=True, ge=1, le=10**12)]


class Amounts(Section):
    """Invoice amounts in one currency, ISO 4217; shares add up to 1."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    points: CompleteParts[PricePoint]


class CustomerClass(WeightedPart):
    """Customers with the same payment history, with their share."""

    tenure_days: Count
    successes: Count
    failures: Count


class Customers(Section):
    """The classes of customers; shares add up to 1."""

    classes: CompleteParts[CustomerClass]


class PriorClass(WeightedPart):
    """Cards with this number of earlier charges, with their share."""

    tries: Annotated[int, Field(strict=True, ge=0, le=100)]


class Priors(Section):
    """Charges of a card before the failure, spread evenly over `within_days` before it."""

    within_days: Annotated[int, Field(strict=True, ge=1, le=365)]
    classes: CompleteParts[PriorClass]


class Arrivals(Section):
    """When payments fail: evenly over the days, and with a share for each hour of the day in UTC."""

    first_day: date
    days: Annotated[int, Field(strict=True, ge=1, le=3_660)]
    hours: Annotated[tuple[Chance, ...], Field(min_length=24, max_length=24), AfterValidator(validate_shares)]


class ByCause(Section):
    """A chance for each cause, none left out."""

    chances: ByEveryCause[Chance]


class ByAttempt(Section):
    """A factor for each scheduled retry, LAST_ATTEMPT of them."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=LAST_ATTEMPT, max_length=LAST_ATTEMPT)]


class ByDelay(Section):
    """A factor for each delay class of `outcomes.classify_delays`."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=len(DELAY_EDGES) + 1, max_length=len(DELAY_EDGES) + 1)]


class ByHour(Section):
    """A factor for each local hour, from midnight."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=24, max_length=24)]


class ByWeekday(Section):
    """A factor for each local weekday, from Monday."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=7, max_length=7)]


class SingleFactor(Section):
    """A section with one factor."""

    factor: Factor


class SingleChance(Section):
    """A section with one chance."""

    chance: Chance


class NewMethod(SingleChance):
    """The chance that the first charge of another card succeeds."""

    code: Name
    """The provider's decline code where it fails."""


class Messages(Section):
    """Days after the failure on which messages are sent, and how many customers answer them."""

    days: Annotated[tuple[Count, ...], Field(min_length=1, max_length=60)]
    rates: tuple[Chance, ...]
    """Weights by which the answers are spread over the days."""
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
    """How customers answer messages after failures of one cause."""

    willing: Factor
    another_card: Chance


class Answers(Section):
    """An answer for each cause, none left out."""

    causes: ByEveryCause[Answer]


class Step(WeightedPart):
    """The share that takes at most `hours`, evenly spread from the end of the step before."""

    hours: Annotated[int, Field(strict=True, ge=1, le=24 * 365)]


def _check_rising_hours(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    ends = [one.hours for one in steps]
    if ends != sorted(set(ends)):
        raise ValueError("the hours must rise")
    return steps


class Steps(Section):
    """A distribution of durations as steps of rising hours; shares add up to 1."""

    steps: Annotated[CompleteParts[Step], AfterValidator(_check_rising_hours)]


class Baseline(SchemaTable):
    """Shares of customers who pay by themselves, without retry or message."""

    soft: Chance
    """After all causes but hard declines."""
    hard: Chance


class SelfRecovery(Section, Baseline):
    """The baseline that a dry run assumes."""


class Sweep(Section):
    """The baselines that the sensitivity sweep tries."""

    points: tuple[Baseline, ...]
