"""Turns sums into results: rates with 95 percent intervals, and the difference between candidate and baseline."""

from math import sqrt
from typing import Final

from core.rates import Z_95, wilson_interval
from simulator.report.result import ArmResult, Difference, Group
from simulator.report.tally import CURVE_DAYS, WAIT_STEP, GroupSum, PairedSums, Tally

HOUR: Final = 3_600
DAY: Final = 86_400


def build_arm_result(name: str, version: str, tally: Tally, *, event_by_event: bool) -> ArmResult:
    """The result of one arm from its sums. Raises ValueError for an arm without recoveries."""
    whole, share = tally.whole, wilson_interval(tally.whole.recovered, tally.whole.recoveries)
    if share is None:
        raise ValueError("an arm without recoveries has no rate")
    return ArmResult(
        name=name,
        policy_version=version,
        recoveries=whole.recoveries,
        recovered=whole.recovered,
        recovery_rate=share.estimate,
        ci_low=share.low,
        ci_high=share.high,
        amount_recovered=whole.amount,
        charge_attempts=tally.charges,
        attempts_per_recovery=tally.charges / whole.recoveries,
        network_fees=tally.fees,
        network_fees_avoided=tally.fees_avoided,
        blocked_by_network_rules=tally.blocked,
        median_hours_to_recovery=_median_hours(tally.waits),
        ends=dict(sorted(tally.ends.items(), key=lambda one: (-one[1], one[0]))),
        by_cause=_to_groups(tally.by_cause),
        by_segment=_to_groups(tally.by_segment),
        recovered_by_day=_recovery_curve(tally.waits),
        extrapolated_attempts=tally.untried,
        extrapolated_recoveries=tally.won_untried,
        event_by_event=event_by_event,
    )


def estimate_difference(pairs: PairedSums) -> Difference:
    """Candidate minus baseline, with 95 percent intervals of the mean of the paired differences (normal approximation).

    Raises ZeroDivisionError for sums over no cases.
    """
    gap = (pairs.gained - pairs.lost) / pairs.cases
    reach = _interval_reach(pairs.cases, pairs.gained - pairs.lost, pairs.gained + pairs.lost)
    amount = round(pairs.cases * _interval_reach(pairs.cases, pairs.amount, pairs.squares))
    return Difference(
        recovery_rate=gap,
        ci_low=gap - reach,
        ci_high=gap + reach,
        amount_recovered=pairs.amount,
        amount_ci_low=pairs.amount - amount,
        amount_ci_high=pairs.amount + amount,
    )


def _interval_reach(cases: int, total: int, squares: int) -> float:
    """Half the width of the 95 percent interval of the mean: 1.96 standard errors."""
    # The variance's numerator stays an integer, so no precision is lost by cancellation.
    if cases < 2:
        return 0.0
    spread = cases * squares - total * total
    return Z_95 * sqrt(spread / (cases - 1)) / cases


def _median_hours(waits: dict[int, int]) -> float | None:
    """The median time to recovery in hours, in steps of ten minutes, the lower of two middles; None without any."""
    middle, seen = (sum(waits.values()) + 1) // 2, 0
    for step in sorted(waits):
        seen += waits[step]
        if seen >= middle:
            return round(step * WAIT_STEP / HOUR, 2)
    return None


def _recovery_curve(waits: dict[int, int]) -> tuple[int, ...]:
    by_day = [0] * CURVE_DAYS
    for step, count in waits.items():
        by_day[min(step * WAIT_STEP // DAY, CURVE_DAYS - 1)] += count
    return tuple(sum(by_day[: day + 1]) for day in range(CURVE_DAYS))


def _to_groups(parts: dict[str, GroupSum]) -> tuple[Group, ...]:
    """The groups as results, the largest first."""
    ordered = sorted(parts.items(), key=lambda one: (-one[1].recoveries, one[0]))
    return tuple(
        Group(
            name=name,
            recoveries=part.recoveries,
            recovered=part.recovered,
            amount_recovered=part.amount,
            recovery_rate=part.recovered / part.recoveries,
        )
        for name, part in ordered
    )
