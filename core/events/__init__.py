"""What can happen in a recovery: the rows of `event_log`, and nothing else."""

from core.events.record import WHOLE_AMOUNTS, Event, Record, modern, read_data
from core.events.types import (
    CloseReason,
    DisputeKind,
    EventType,
    MessageOutcome,
    ReviewDecision,
    SkipAction,
    State,
    Trigger,
    moment,
    stamp,
)

__all__ = [
    "WHOLE_AMOUNTS", "CloseReason", "DisputeKind", "Event", "EventType", "MessageOutcome", "Record", "ReviewDecision",
    "SkipAction", "State", "Trigger", "modern", "moment", "read_data", "stamp",
]  # fmt: skip
