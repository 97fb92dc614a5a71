"""One short round of the fault suite on a stack of its own; `make faults` plays long ones."""

import sys

from tests.faults.rounds.plan import plan_round
from tests.faults.rounds.registry import PAIRED
from tests.faults.rounds.report import format_report, is_clean
from tests.faults.rounds.round import RoundOptions, run_round

HEALTHY_WITHIN = 15.0


async def test_short_round_is_clean() -> None:
    plan = plan_round(1, 15.0, 1.5, PAIRED, ("worker-killed", "parallel-retries"))
    result = await run_round(plan, RoundOptions(rest_seconds=3.0, drain_seconds=60.0), report_progress)
    assert is_clean([result], HEALTHY_WITHIN), format_report([result], HEALTHY_WITHIN)
    assert all(finding.examined for finding in result.findings.values()), "a check looked at nothing"


def report_progress(text: str) -> None:
    """One line for whoever looks at the output of a failed test."""
    sys.stderr.write(f"{text}\n")
