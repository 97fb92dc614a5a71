"""Builds the timeline of a recovery: one entry per row, and one entry for all rows of a decision."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from core.base import Value
from core.events import EventType, Record
from core.events.registry import MODELS
from core.timeline import actions, charges, decisions, failures
from core.timeline.entries import EventDescription, Mood
from core.timeline.labels import event_title

DESCRIBERS: Final[Mapping[EventType, Callable[[Record], EventDescription]]] = {
    EventType.PAYMENT_FAILED: failures.describe_failure,
    EventType.FAILURE_CLASSIFIED: failures.describe_classification,
    EventType.CUSTOMER_SEGMENTED: failures.describe_segment,
    EventType.FRAUD_ASSESSED: failures.describe_fraud_assessment,
    EventType.RETRY_PLANNED: decisions.describe_plan,
    EventType.RETRY_SKIPPED: decisions.describe_skip,
    EventType.SHADOW_PLANNED: decisions.describe_shadow_plan,
    EventType.CHARGE_REQUESTED: charges.describe_charge_request,
    EventType.CHARGE_SUCCEEDED: charges.describe_charge_success,
    EventType.CHARGE_DECLINED: charges.describe_decline,
    EventType.CHARGE_UNKNOWN: charges.describe_unknown_charge,
    EventType.CHARGE_RECONCILED: charges.describe_reconciliation,
    EventType.RETRY_REQUESTED: actions.command_describer("asked for a retry now", "retry now", Mood.BUSY),
    EventType.CANCEL_REQUESTED: actions.command_describer("canceled the recovery", "cancel it", Mood.WARN),
    EventType.PAUSED: actions.command_describer("paused the recovery", "pause it", Mood.WARN),
    EventType.RESUMED: actions.command_describer("resumed the recovery", "resume it"),
    EventType.REVIEWED: actions.describe_review,
    EventType.METHOD_UPDATED: actions.describe_new_method,
    EventType.PAID_ELSEWHERE: actions.describe_payment_elsewhere,
    EventType.CLOSED_ELSEWHERE: actions.describe_closing_elsewhere,
    EventType.DISPUTE_OPENED: actions.describe_dispute,
    EventType.NOTIFICATION_SENT: actions.describe_message_sent,
    EventType.NOTIFICATION_FAILED: actions.describe_message_failure,
    EventType.RECOVERY_CLOSED: actions.describe_recovery_end,
    EventType.EVENT_LATE: actions.describe_late_event,
    EventType.PAYMENT_REFUNDED: actions.describe_money_back,
    EventType.PAYMENT_REVERSED: actions.describe_money_back,
    EventType.PAYMENT_LATE: actions.describe_late_payment,
}
INPUT_EVENTS: Final = frozenset({EventType.FAILURE_CLASSIFIED, EventType.CUSTOMER_SEGMENTED, EventType.FRAUD_ASSESSED})
"""Types of rows that are inputs of the decision that follows them."""
DECISION_EVENTS: Final = frozenset({EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED})
UNREADABLE: Final = "The data of this row can't be read; it is kept as it was stored."


class TimelineEntry(Value):
    """One timeline entry; for a decision, with the entries of its input rows, in order."""

    at: datetime
    sequence: int
    """Sequence number of its last row; unique in the timeline."""
    description: EventDescription
    basis: tuple[EventDescription, ...] = ()
    shadow: EventDescription | None = None
    """The decision of the shadow policy, if one was recorded."""


def describe_record(record: Record) -> EventDescription:
    """The description of one row; for `data` that doesn't fit its type, the type's title. Never raises."""
    if not isinstance(record.data, MODELS[record.type]):
        return EventDescription(headline=event_title(record.type), why=UNREADABLE, mood=Mood.WARN)
    return DESCRIBERS[record.type](record)


def build_timeline(records: Iterable[Record]) -> tuple[TimelineEntry, ...]:
    """Timeline entries of all rows, in order. Input rows without a decision after them get their own entries."""
    entries: list[TimelineEntry] = []
    found: list[Record] = []
    for record in records:
        # The shadow's row follows its decision's in the same transaction, so it belongs to the last entry.
        if record.type is EventType.SHADOW_PLANNED and entries and not found:
            entries[-1] = entries[-1].model_copy(
                update={"shadow": describe_record(record), "sequence": record.sequence}
            )
        elif record.type in INPUT_EVENTS:
            found.append(record)
        else:
            entries += _entries_for(found, record)
            found = []
    return (*entries, *map(_single_entry, found))


def _entries_for(found: list[Record], record: Record) -> list[TimelineEntry]:
    if record.type in DECISION_EVENTS:
        return [_single_entry(record).model_copy(update={"basis": tuple(map(describe_record, found))})]
    return [*map(_single_entry, found), _single_entry(record)]


def _single_entry(record: Record) -> TimelineEntry:
    return TimelineEntry(at=record.occurred_at, sequence=record.sequence, description=describe_record(record))
