"""Every stored history must replay on the current code, since recoveries sleep for weeks."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.replay.paths import PATHS
from tests.replay.record import HISTORIES
from workflows.client import WORKFLOWS, temporal_plugin

STORED = sorted(HISTORIES.glob("*.json"))


def test_every_path_has_a_history() -> None:
    assert {file.name.partition(".")[0] for file in STORED} == set(PATHS)


@pytest.fixture
def history(request: pytest.FixtureRequest) -> WorkflowHistory:
    """One stored history."""
    file: Path = request.param
    return WorkflowHistory.from_json(f"recovery-replay-{file.stem}", file.read_text())


@pytest.mark.parametrize("history", STORED, ids=lambda file: file.stem, indirect=True)
async def test_a_stored_history_replays(history: WorkflowHistory) -> None:
    await Replayer(workflows=WORKFLOWS, plugins=[temporal_plugin()]).replay_workflow(history)


def test_the_fallback_to_the_server_is_in_the_stored_histories() -> None:
    for name in ("database_away", "database_slow"):
        files = list(HISTORIES.glob(f"{name}.*.json"))
        scheduled = [file.read_text().count("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED") for file in files]
        assert scheduled, name
        assert min(scheduled) > 2, f"{name}: reading and charging are two; the fallback must be a third"
