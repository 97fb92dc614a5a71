"""Hand-made results for tests of reports."""

from typing import Any

from simulator.model.source import Assumption
from simulator.report.result import ArmResult, Calibration, Difference, Group, Result, Sensitivity


def an_arm(name: str, **changes: Any) -> ArmResult:
    """The result of one policy over 1,234 cases, with distinct figures."""
    figures: dict[str, Any] = {
        "name": name,
        "policy_version": f"{name}-7f",
        "recoveries": 1_234,
        "recovered": 517,
        "recovery_rate": 0.41896,
        "ci_low": 0.39178,
        "ci_high": 0.44667,
        "amount_recovered": 98_765_432,
        "charge_attempts": 3_456,
        "attempts_per_recovery": 2.80064,
        "network_fees": 4_321,
        "network_fees_avoided": 765,
        "blocked_by_network_rules": 87,
        "median_hours_to_recovery": 61.5,
        "ends": {
            "recovered: charged": 500,
            "recovered: paid_elsewhere": 17,
            "exhausted: budget": 700,
            "blocked: x": 17,
        },
        "by_cause": (a_group("GENERIC", 900, 400), a_group("FRAUD", 334, 117)),
        "by_segment": (a_group("default", 1_000, 450), a_group("loyal", 234, 67)),
        "recovered_by_day": (100, 211, 322, 517, 517, 517),
        "extrapolated_attempts": 55,
        "extrapolated_recoveries": 13,
        "event_by_event": False,
    }
    return ArmResult(**figures | changes)


def a_group(name: str, recoveries: int, recovered: int) -> Group:
    """A group of an arm."""
    return Group(
        name=name,
        recoveries=recoveries,
        recovered=recovered,
        amount_recovered=recovered * 4_900 + 1,
        recovery_rate=recovered / recoveries,
    )


CANDIDATE = an_arm(
    "candidate",
    recovered=561,
    recovery_rate=0.45462,
    ci_low=0.42706,
    ci_high=0.48249,
    amount_recovered=105_432_109,
    charge_attempts=3_999,
    attempts_per_recovery=3.24068,
    network_fees=4_322,
    network_fees_avoided=801,
    blocked_by_network_rules=91,
    median_hours_to_recovery=47.9,
    ends={"recovered: charged": 545, "recovered: paid_elsewhere": 16, "exhausted: window": 656, "blocked: x": 17},
    by_cause=(a_group("GENERIC", 900, 444), a_group("FRAUD", 334, 117)),
    by_segment=(a_group("default", 1_000, 477), a_group("loyal", 234, 84)),
    recovered_by_day=(100, 233, 344, 555, 561, 561, 561),
    extrapolated_attempts=66,
    extrapolated_recoveries=19,
    event_by_event=True,
)
BETTER = Difference(
    recovery_rate=0.03566,
    ci_low=0.02101,
    ci_high=0.05031,
    amount_recovered=6_666_677,
    amount_ci_low=3_210_987,
    amount_ci_high=10_122_367,
)


def a_difference(low: float, mid: float, high: float) -> Difference:
    """A difference in shares of 1; the amounts have the same sign."""
    low_amount, mid_amount, high_amount = (round(bound * 1_000_000) for bound in (low, mid, high))
    return Difference(
        recovery_rate=mid,
        ci_low=low,
        ci_high=high,
        amount_recovered=mid_amount,
        amount_ci_low=low_amount,
        amount_ci_high=high_amount,
    )


def a_result(**changes: Any) -> Result:
    """A complete result."""
    fields: dict[str, Any] = {
        "seed": 90_210,
        "source": "history",
        "recoveries": 1_234,
        "currency": "EUR",
        "arms": (an_arm("baseline"), CANDIDATE),
        "difference": BETTER,
        "sensitivity": (
            Sensitivity(soft=0.05, hard=0.01, recoveries=999, recovery_rate=0.0411, ci_low=0.0271, ci_high=0.0551),
            Sensitivity(soft=0.35, hard=0.1, recoveries=998, recovery_rate=0.0199, ci_low=0.0061, ci_high=0.0337),
        ),
        "calibration": Calibration(
            recoveries=1_111,
            real_rate=0.4321,
            simulated_rate=0.4189,
            gap=-0.0132,
            ci_low=-0.0301,
            ci_high=0.0037,
            version_share=0.8765,
            warnings=("Only 88 percent of the decisions were made by this version.",),
        ),
        "notes": ("Messages are the same for every policy.",),
        "assumptions": (
            Assumption(name="chances.GENERIC", value="0.313", source="the log", weakness="few of them", attempts=2_345),
            Assumption(name="chances.FRAUD", value="0.027", source="the log", weakness="few of them", attempts=0),
            Assumption(name="payday.factor", value="1.2", source="S40", weakness="one vendor"),
        ),
        "policy_diff": '--- a.toml\n+++ b.toml\n@@ -1 +1 @@\n-delays = ["3h"]\n+delays = ["5h"]\n',
    }
    return Result(**fields | changes)
