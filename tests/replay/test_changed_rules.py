"""Decisions are in the history: a replay reads no table, policy or strategy."""

from typing import Any, NoReturn

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import activities.decisions as decisions
from catalog import PolicyFile, decision_sources
from core.card_networks import rules
from core.card_networks import tables as network_tables
from core.classification import classify, tables
from core.planning import decision, pipeline, planner
from core.recovery import network_check
from tests.replay.test_histories import STORED, history
from workflows.client import WORKFLOWS, temporal_plugin

__all__ = ["history"]


def _raise_missing(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("a replay decided something")


@pytest.mark.parametrize("history", STORED, ids=lambda file: file.stem, indirect=True)
async def test_no_row_of_a_table_or_policy_matters_to_a_replay(
    history: WorkflowHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in {
        decisions: ("assess_fraud", "decide", "resolve_arm"),
        decision_sources: ("network_rules",),
        classify: ("classify",),
        pipeline: ("classify_failure", "segment_customer", "find_segment", "build_decision_rows"),
        decision: ("plan_next_retry",),
        planner: ("plan_next_retry",),
        tables: ("parse_decline_tables",),
        rules: ("check_attempt", "find_stop_reason", "find_free_moment", "fee_of"),
        network_tables: ("parse_network_rules",),
        network_check: ("check_network_limits",),
        PolicyFile: ("current_policy",),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, _raise_missing)
    await Replayer(workflows=WORKFLOWS, plugins=[temporal_plugin()]).replay_workflow(history)
