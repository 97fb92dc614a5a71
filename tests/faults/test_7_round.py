"""Short rounds of the fault suite, each on a stack of its own; `make faults` plays long ones."""

import sys
from collections.abc import Sequence

from tests.faults.rounds.plan import plan_round
from tests.faults.rounds.registry import PAIRED
from tests.faults.rounds.report import format_report, is_clean
from tests.faults.rounds.round import RoundOptions, RoundResult, run_round

HEALTHY_WITHIN = 15.0
SLEEPERS = 40
BESIDE_OTHER_TESTS = 45.0
"""The limit where the fault itself takes ten seconds, or the start of a worker counts."""


async def test_short_round_is_clean() -> None:
    result = await play_round(15.0, 1.5, ("worker-killed", "parallel-retries"))
    assert is_clean([result], HEALTHY_WITHIN), format_report([result], HEALTHY_WITHIN)
    assert all(finding.examined for finding in result.findings.values()), "a check looked at nothing"


async def test_worker_that_dies_behind_a_charge_leaves_no_trace() -> None:
    result = await play_round(8.0, 2.0, ("crash-before-result",))
    assert is_clean([result], BESIDE_OTHER_TESTS), format_report([result], BESIDE_OTHER_TESTS)


async def test_sleeping_recoveries_wake_up_when_one_worker_is_back() -> None:
    result = await play_round(2.0, 1.0, ("workers-killed-asleep",))
    assert is_clean([result], BESIDE_OTHER_TESTS), format_report([result], BESIDE_OTHER_TESTS)
    assert result.recoveries > SLEEPERS


async def play_round(seconds: float, rate: float, faults: Sequence[str]) -> RoundResult:
    """A round with these faults and little rest."""
    plan = plan_round(1, seconds, rate, PAIRED, faults)
    return await run_round(plan, RoundOptions(rest_seconds=3.0, drain_seconds=60.0, sleepers=SLEEPERS), report_progress)


def report_progress(text: str) -> None:
    """One line for whoever looks at the output of a failed test."""
    sys.stderr.write(f"{text}\n")
