"""Decisions are in the history: a replay asks no table, no policy and no strategy, whatever became of them."""

from typing import Any, NoReturn

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import activities.decisions as decisions
from catalog import PolicyFile
from core.classifier import classify, tables
from core.retry import decide, held, network_rules, network_tables, planner
from tests.replay.test_histories import STORED, history
from workflows.registry import WORKFLOWS, plugin

__all__ = ["history"]


def _gone(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("a replay decided something")


@pytest.mark.parametrize("history", STORED, ids=lambda file: file.stem, indirect=True)
async def test_no_row_of_a_table_or_policy_matters_to_a_replay(
    history: WorkflowHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in {
        decisions: ("classify", "segment", "assess", "decide", "within_network", "network_rules"),
        classify: ("classify",),
        decide: ("decide", "plan"),
        planner: ("plan",),
        tables: ("parse",),
        network_rules: ("judge", "stopped", "first_free", "fee_of"),
        network_tables: ("parse",),
        held: ("within",),
        PolicyFile: ("current",),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, _gone)
    await Replayer(workflows=WORKFLOWS, plugins=[plugin()]).replay_workflow(history)
