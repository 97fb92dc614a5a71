"""Values for tests, with defaults for everything that doesn't matter."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.events import EventType, Record
from core.payments import EventKind, Failure, ProviderEvent

THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""A Monday morning."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

REQUIRED_DATA: dict[EventType, dict[str, Any]] = {
    EventType.FAILURE_CLASSIFIED: {"category": "SOFT_DECLINE", "cause": "GENERIC"},
    EventType.CUSTOMER_SEGMENTED: {"segment": "default"},
    EventType.FRAUD_ASSESSED: {"level": "clear"},
    EventType.RETRY_PLANNED: {"at": "2026-03-02T12:30:00Z"},
    EventType.RETRY_SKIPPED: {"action": "give_up", "reason": "budget"},
    EventType.SHADOW_PLANNED: {"action": "retry"},
    EventType.CHARGE_REQUESTED: {"idempotency_key": "k", "trigger": "scheduled", "amount": 4900, "currency": "EUR"},
    EventType.CHARGE_RECONCILED: {"outcome": "declined"},
    EventType.METHOD_UPDATED: {"method_id": "pm_2"},
    EventType.CLOSED_ELSEWHERE: {"why": "voided"},
    EventType.DISPUTE_OPENED: {"kind": "dispute"},
    EventType.RECOVERY_CLOSED: {"state": "recovered", "reason": "charged"},
}
"""The least that `data` of a type must hold; a type that isn't here needs nothing."""


def a_failure_event(**changes: Any) -> ProviderEvent:
    """An `invoice.payment_failed` event: first attempt, insufficient funds, 49.00 EUR; `changes` replace fields."""
    return an_event(
        changes.pop("kind", EventKind.PAYMENT_FAILED),
        **{
            "event_id": "evt_failed_1",
            "event_type": "invoice.payment_failed",
            "provider_attempt": 1,
            "amount": 4900,
            "currency": "EUR",
            "failure": Failure(code="insufficient_funds"),
        }
        | changes,
    )


def an_event(kind: EventKind, **changes: Any) -> ProviderEvent:
    """A provider event of this kind about invoice in_1 of customer cus_1; `changes` replace fields."""
    defaults: dict[str, Any] = {
        "provider": "stripe",
        "event_id": f"evt_{kind.value}",
        "event_type": f"test.{kind.value}",
        "kind": kind,
        "occurred_at": THEN,
        "invoice_id": "in_1",
        "customer_id": "cus_1",
    }
    return ProviderEvent(**defaults | changes)


def data_without_policy(record: Record) -> dict[str, Any]:
    """The data of a row without policy version, experiment arm and command ids."""
    beside = {"policy_version", "experiment", "arm", "request_id", "signal"}
    return {key: value for key, value in record.data.stored.items() if key not in beside}
