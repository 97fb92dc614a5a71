"""The result of a dry run: the content of `result.json` and of the report. Amounts in minor units of one currency."""

from pydantic import Field

from core.base import Value
from simulator.model.source import Assumption


class Group(Value):
    """A group of an arm's recoveries; `recovery_rate` is a fraction of 1."""

    name: str
    recoveries: int
    recovered: int
    amount_recovered: int
    recovery_rate: float


class ArmResult(Value):
    """The result of one policy over all cases; rates are fractions of 1."""

    name: str
    policy_version: str
    recoveries: int
    recovered: int
    recovery_rate: float
    ci_low: float = Field(description="Wilson's 95 percent interval")
    ci_high: float
    amount_recovered: int
    charge_attempts: int
    attempts_per_recovery: float
    network_fees: int = Field(description="caused, minor units of USD, in which the networks publish them")
    network_fees_avoided: int
    blocked_by_network_rules: int = Field(description="attempts that a card network's rule moved or forbade")
    median_hours_to_recovery: float | None
    ends: dict[str, int] = Field(description="recoveries by final state and reason, such as `exhausted: budget`")
    by_cause: tuple[Group, ...]
    by_segment: tuple[Group, ...]
    recovered_by_day: tuple[int, ...] = Field(description="number recovered within as many days as the index says")
    extrapolated_attempts: int = Field(description="charges after delays without a recorded attempt")
    extrapolated_recoveries: int = Field(description="recoveries won by such a charge")
    event_by_event: bool = Field(description="whether each recovery was simulated by itself")


class Difference(Value):
    """Candidate minus baseline, over the same cases with the same random draws. 95 percent intervals, paired."""

    recovery_rate: float
    ci_low: float
    ci_high: float
    amount_recovered: int
    amount_ci_low: int
    amount_ci_high: int


class Sensitivity(Value):
    """The difference at other assumed shares of customers who pay without retry or message."""

    soft: float
    """Share of soft declines that are paid without any retry or message; `hard` is that of hard declines."""
    hard: float
    recoveries: int
    recovery_rate: float
    ci_low: float
    ci_high: float


class Calibration(Value):
    """How well the model reproduces the recovery rate recorded under the policy that ran."""

    recoveries: int
    real_rate: float
    simulated_rate: float
    gap: float
    ci_low: float
    ci_high: float
    """The gap's 95 percent interval; if zero lies outside it, the model doesn't fit this history."""
    version_share: float
    """Share of recorded decisions that were made by the baseline's version of the policy."""
    warnings: tuple[str, ...] = ()


class Result(Value):
    """The whole result of a dry run. The same seed and inputs give the same bytes."""

    seed: int
    source: str
    recoveries: int
    currency: str
    arms: tuple[ArmResult, ...]
    """Baseline, candidate."""
    difference: Difference
    sensitivity: tuple[Sensitivity, ...] = ()
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    policy_diff: str = ""
    """Unified diff of the two policy files."""
