"""The arms of experiments side by side, as the API and the command line report them."""

from collections.abc import Iterable

from pydantic import Field

from core.base import Value
from core.policy.experiments import HOLDOUT
from core.rates import Interval, newcombe_difference, wilson_interval


class ArmCounts(Value):
    """How the recoveries of one arm ended, amounts in minor units of one currency."""

    experiment: str
    arm: str
    recovered: int
    lost: int
    recovered_amount: int
    at_risk_amount: int
    paid_late_amount: int = 0
    returned_amount: int = 0
    net_amount: int = 0


class ArmReport(Value):
    """One arm, compared with its experiment's holdout."""

    experiment: str
    arm: str
    recovered: int = Field(description="recoveries that ended with the money")
    lost: int = Field(description="recoveries that ended without it")
    recovered_amount: int = Field(description="minor units, gross")
    at_risk_amount: int = Field(description="minor units of recoveries that go on")
    paid_late_amount: int = Field(description="minor units that came after an end without them")
    returned_amount: int = Field(description="minor units that went back after the end")
    net_amount: int = Field(description="minor units: recovered + paid late - returned")
    recovery_rate: Interval | None = Field(description="recovered / (recovered + lost), Wilson's 95 percent interval")
    difference: Interval | None = Field(
        description="of the rate to the holdout's or, without one, the first arm's; Newcombe's 95 percent interval"
    )


def compare_arms(counts: Iterable[ArmCounts]) -> tuple[ArmReport, ...]:
    """Every arm with its recovery rate and the difference to the holdout's or, without one, the first arm's."""
    known = tuple(counts)
    return tuple(_report_arm(one, _find_baseline(one, known)) for one in known)


def _find_baseline(one: ArmCounts, known: tuple[ArmCounts, ...]) -> ArmCounts:
    same = [other for other in known if other.experiment == one.experiment]
    return next((other for other in same if other.arm == HOLDOUT), same[0])


def _report_arm(one: ArmCounts, base: ArmCounts) -> ArmReport:
    own = _recovery_rate(one)
    gap = None if one is base else newcombe_difference(own, _recovery_rate(base))
    return ArmReport(**one.model_dump(), recovery_rate=own, difference=gap)


def _recovery_rate(one: ArmCounts) -> Interval | None:
    return wilson_interval(one.recovered, one.recovered + one.lost)
