"""Billed actions, counted from histories."""

from typing import Any

import pytest

from benchmarks.temporal_actions import count_actions


def history(*types: str) -> list[dict[str, Any]]:
    """Events of these types. `MARKER_RECORDED:7` is of workflow task 7, `ACTIVITY_TASK_STARTED:3` a third try."""
    return [event_of(*one.split(":")) for one in types]


def event_of(kind: str, detail: str = "") -> dict[str, Any]:
    named: dict[str, dict[str, Any]] = {
        "MARKER_RECORDED": {"markerRecordedEventAttributes": {"workflowTaskCompletedEventId": detail}},
        "ACTIVITY_TASK_STARTED": {"activityTaskStartedEventAttributes": {"attempt": detail or 1}},
    }
    return {"eventType": f"EVENT_TYPE_{kind}", **named.get(kind, {})}


START = ("WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_TASK_SCHEDULED")


@pytest.mark.parametrize(
    ("events", "actions"),
    [
        (START, 1),
        (("WORKFLOW_EXECUTION_STARTED", "WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED"), 1),
        ((*START, "WORKFLOW_EXECUTION_SIGNALED"), 2),
        ((*START, "MARKER_RECORDED:4", "MARKER_RECORDED:4"), 2),
        ((*START, "MARKER_RECORDED:4", "MARKER_RECORDED:9"), 3),
        ((*START, "ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_COMPLETED"), 2),
        ((*START, "ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED:3"), 4),
        ((*START, "TIMER_STARTED", "TIMER_FIRED", "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"), 3),
    ],
)
def test_actions_of_a_run(events: tuple[str, ...], actions: int) -> None:
    assert count_actions(history(*events)) == actions
