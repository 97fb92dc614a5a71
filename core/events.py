"""What can happen in a recovery: the rows of `event_log`, and nothing else.

`data` holds text, integers, booleans, null and lists or objects of these; never a float, since a row is hashed
and PostgreSQL rewrites floats.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from core import money
from core.base import Value


class EventType(StrEnum):
    """Every type of row; the names are part of the public contract."""

    PAYMENT_FAILED = "payment.failed"
    FAILURE_CLASSIFIED = "failure.classified"
    CUSTOMER_SEGMENTED = "customer.segmented"
    FRAUD_ASSESSED = "fraud.assessed"
    RETRY_PLANNED = "retry.planned"
    RETRY_SKIPPED = "retry.skipped"
    CHARGE_REQUESTED = "charge.requested"
    CHARGE_SUCCEEDED = "charge.succeeded"
    CHARGE_DECLINED = "charge.declined"
    CHARGE_UNKNOWN = "charge.unknown"
    CHARGE_RECONCILED = "charge.reconciled"
    RETRY_REQUESTED = "operator.retry_requested"
    CANCEL_REQUESTED = "operator.cancel_requested"
    PAUSED = "operator.paused"
    RESUMED = "operator.resumed"
    REVIEWED = "operator.reviewed"
    METHOD_UPDATED = "payment_method.updated"
    PAID_ELSEWHERE = "invoice.paid_elsewhere"
    CLOSED_ELSEWHERE = "invoice.closed_elsewhere"
    DISPUTE_OPENED = "dispute.opened"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_FAILED = "notification.failed"
    RECOVERY_CLOSED = "recovery.closed"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REVERSED = "payment.reversed"
    PAYMENT_LATE = "payment.late"
    EVENT_LATE = "event.late"
    SHADOW_PLANNED = "shadow.planned"


class State(StrEnum):
    """Where a recovery stands."""

    RECEIVED = "received"
    CLASSIFIED = "classified"
    SEGMENTED = "segmented"
    WAITING = "waiting"
    CHARGING = "charging"
    AWAITING_CUSTOMER = "awaiting_customer"
    IN_REVIEW = "in_review"
    PAUSED = "paused"
    RECOVERED = "recovered"
    EXHAUSTED = "exhausted"
    CANCELED = "canceled"
    BLOCKED = "blocked"

    @property
    def final(self) -> bool:
        """Whether nothing more can happen."""
        return self in {State.RECOVERED, State.EXHAUSTED, State.CANCELED, State.BLOCKED}


class Trigger(StrEnum):
    """Why a charge was made. Only scheduled ones use the policy's budget; all count for the network."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    METHOD_CHANGE = "payment_method_change"
    PROVIDER = "provider"

    @property
    def uses_budget(self) -> bool:
        """Whether a charge of this trigger is one of the policy's attempts."""
        return self is Trigger.SCHEDULED


class Event(Value):
    """Something that happened, not yet placed in the log."""

    type: EventType
    occurred_at: datetime
    attempt: int | None = None
    """The charge attempt it belongs to, if any."""
    data: Mapping[str, Any] = {}


class Record(Event):
    """An event with its place in the log of one recovery."""

    sequence: int
    from_state: State | None = None
    to_state: State


WHOLE_AMOUNTS: Final = frozenset({EventType.PAYMENT_FAILED, EventType.CHARGE_REQUESTED})
"""Types of rows with an `amount` and its `currency` that there were before all amounts became ISO's minor units."""


def modern(record: Record, provider: str) -> Record:
    """A record as this release writes it; see `core.money.modern`."""
    data = money.modern(record.data, provider) if record.type in WHOLE_AMOUNTS else record.data
    return record if data is record.data else record.model_copy(update={"data": data})


def stamp(moment: datetime) -> str:
    """A time as `data` holds it: RFC 3339 in UTC, whole microseconds."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(text: Any) -> datetime | None:
    """The time that `stamp` wrote; None for None."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
