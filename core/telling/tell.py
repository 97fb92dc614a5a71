"""The story of a recovery: each row told by itself, and the rows of one decision together."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from core.base import Value
from core.events import EventType, Record
from core.telling import charges, failures, people, plans
from core.telling.telling import Mood, Telling

TELLERS: Final[Mapping[EventType, Callable[[Record], Telling]]] = {
    EventType.PAYMENT_FAILED: failures.failed,
    EventType.FAILURE_CLASSIFIED: failures.classified,
    EventType.CUSTOMER_SEGMENTED: failures.segmented,
    EventType.FRAUD_ASSESSED: failures.assessed,
    EventType.RETRY_PLANNED: plans.planned,
    EventType.RETRY_SKIPPED: plans.skipped,
    EventType.SHADOW_PLANNED: plans.shadow,
    EventType.CHARGE_REQUESTED: charges.requested,
    EventType.CHARGE_SUCCEEDED: charges.succeeded,
    EventType.CHARGE_DECLINED: charges.declined,
    EventType.CHARGE_UNKNOWN: charges.unknown,
    EventType.CHARGE_RECONCILED: charges.reconciled,
    EventType.RETRY_REQUESTED: people.wished("asked for a retry now", "retry now", Mood.BUSY),
    EventType.CANCEL_REQUESTED: people.wished("canceled the recovery", "cancel it", Mood.WARN),
    EventType.PAUSED: people.wished("paused the recovery", "pause it", Mood.WARN),
    EventType.RESUMED: people.wished("resumed the recovery", "resume it"),
    EventType.REVIEWED: people.reviewed,
    EventType.METHOD_UPDATED: people.new_method,
    EventType.PAID_ELSEWHERE: people.paid_elsewhere,
    EventType.CLOSED_ELSEWHERE: people.closed_elsewhere,
    EventType.DISPUTE_OPENED: people.disputed,
    EventType.NOTIFICATION_SENT: people.message_sent,
    EventType.NOTIFICATION_FAILED: people.message_failed,
    EventType.RECOVERY_CLOSED: people.closed,
    EventType.EVENT_LATE: people.late,
    EventType.PAYMENT_REFUNDED: people.money_back,
    EventType.PAYMENT_REVERSED: people.money_back,
    EventType.PAYMENT_LATE: people.paid_late,
}
FINDINGS: Final = frozenset({EventType.FAILURE_CLASSIFIED, EventType.CUSTOMER_SEGMENTED, EventType.FRAUD_ASSESSED})
"""Rows that lead to the decision behind them."""
DECISIONS: Final = frozenset({EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED})


class Chapter(Value):
    """One entry of the story, and what led to it: the findings of a decision, in their order."""

    at: datetime
    sequence: int
    """Of its last row; unique in the story."""
    telling: Telling
    led: tuple[Telling, ...] = ()
    aside: Telling | None = None
    """What the policy on trial would have done in its place."""


def tell(record: Record) -> Telling:
    """One row in words."""
    return TELLERS[record.type](record)


def story(records: Iterable[Record]) -> tuple[Chapter, ...]:
    """All rows, in their order. Findings without a decision behind them stand by themselves."""
    chapters: list[Chapter] = []
    found: list[Record] = []
    for record in records:
        if record.type is EventType.SHADOW_PLANNED and chapters and not found:
            chapters[-1] = chapters[-1].model_copy(update={"aside": tell(record), "sequence": record.sequence})
        elif record.type in FINDINGS:
            found.append(record)
        else:
            chapters += _told(found, record)
            found = []
    return (*chapters, *map(_alone, found))


def _told(found: list[Record], record: Record) -> list[Chapter]:
    if record.type in DECISIONS:
        return [_alone(record).model_copy(update={"led": tuple(map(tell, found))})]
    return [*map(_alone, found), _alone(record)]


def _alone(record: Record) -> Chapter:
    return Chapter(at=record.occurred_at, sequence=record.sequence, telling=tell(record))
