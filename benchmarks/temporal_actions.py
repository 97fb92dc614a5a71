"""What a run of a workflow costs on Temporal Cloud, in billed actions, counted from its history.

The rules are those of https://docs.temporal.io/cloud/actions as of 2026-11: a signal-with-start is one action, all
markers of one workflow task together are one, and heartbeats that reach the server, which no history shows, are one
each. Our activities send the first after two seconds.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

ONE_EACH: Final = frozenset(
    {
        "WORKFLOW_EXECUTION_SIGNALED",
        "ACTIVITY_TASK_SCHEDULED",
        "TIMER_STARTED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    }
)
"""Types of events that are one action each, without their prefix."""
START: Final = "WORKFLOW_EXECUTION_STARTED"
SIGNAL: Final = "WORKFLOW_EXECUTION_SIGNALED"
PREFIX: Final = "EVENT_TYPE_"


def count_actions(events: Iterable[Mapping[str, Any]]) -> int:
    """The billed actions of one run and its start, from events as `temporal workflow show --output json` tells them."""
    history = list(events)
    types = [str(event["eventType"]).removeprefix(PREFIX) for event in history]
    # The signal that comes with the start is one action together with it.
    starts = types.count(START) if types[:1] == [START] and SIGNAL not in types[1:3] else 0
    return starts + sum(kind in ONE_EACH for kind in types) + len(list(_marker_groups(history))) + _retries(history)


def _marker_groups(history: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One per workflow task that recorded markers. That of a patch is none by itself, but counts as one here."""
    markers = (event for event in history if str(event["eventType"]).endswith("MARKER_RECORDED"))
    for task, _ in groupby(markers, lambda one: one["markerRecordedEventAttributes"]["workflowTaskCompletedEventId"]):
        yield str(task)


def _retries(history: Iterable[Mapping[str, Any]]) -> int:
    """Repeats of activities: the history holds only the number of the last try."""
    tries = (event.get("activityTaskStartedEventAttributes") for event in history)
    return sum(int(one.get("attempt", 1)) - 1 for one in tries if one)
