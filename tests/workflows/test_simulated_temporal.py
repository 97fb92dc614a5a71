"""The Temporal of the deterministic simulation against a real server: the same story, the same rows."""

import pytest

from tests.deterministic.provider import ABILITIES
from tests.deterministic.repositories import tables_in_memory
from tests.deterministic.scenario import InvoicePlan, Scenario
from tests.deterministic.simulation import shipped_config
from tests.deterministic.world import World
from tests.support.gateway import SUCCEED, decline_result
from tests.workflows.conftest import RecoveryRuns

STORIES = (
    ("generic_decline", ()),
    ("insufficient_funds", ("insufficient_funds", "generic_decline")),
    ("insufficient_funds", ("insufficient_funds",) * 9),
    ("lost_card", ()),
)
"""The code of the first failure, and those of our charges before one succeeds."""


def simulated_rows(code: str, declines: tuple[str, ...]) -> list[str]:
    """The types of the rows that a world without faults writes."""
    plan = InvoicePlan("fp_1", "visa", code, declines, always_declines=False)
    scenario = Scenario(1, ABILITIES[0], (plan,), (), (), (), limits=(50, 50))
    with tables_in_memory():
        world = World(scenario, shipped_config())
        assert world.play()
        rows = [row["type"] for row in world.database.tables.event_log["recovery-stripe-in_0"]]
        world.close()
    return rows


@pytest.mark.parametrize(("code", "declines"), STORIES)
async def test_a_simulated_run_writes_the_rows_of_a_real_one(
    recovery_runs: RecoveryRuns, code: str, declines: tuple[str, ...]
) -> None:
    run = await recovery_runs(code, script=[*map(decline_result, declines), SUCCEED])
    await run.begin_with_failure()
    await run.wait_for_end()
    assert simulated_rows(code, declines) == run.event_types
