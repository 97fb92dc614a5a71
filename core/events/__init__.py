"""Events of a recovery: the types and the data of the rows of `event_log`."""

from core.events.record import AMOUNT_EVENT_TYPES, Event, Record, read_data, upgrade_record
from core.events.types import (
    CloseReason,
    DisputeKind,
    EventType,
    MessageOutcome,
    ReviewDecision,
    SkipAction,
    State,
    Trigger,
    format_timestamp,
    parse_timestamp,
)

__all__ = [
    "AMOUNT_EVENT_TYPES",
    "CloseReason",
    "DisputeKind",
    "Event",
    "EventType",
    "MessageOutcome",
    "Record",
    "ReviewDecision",
    "SkipAction",
    "State",
    "Trigger",
    "format_timestamp",
    "parse_timestamp",
    "read_data",
    "upgrade_record",
]  # fmt: skip
