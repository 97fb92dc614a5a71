"""Values for tests, with defaults for everything that doesn't matter."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.events import Record
from core.payments import EventKind, Failure, ProviderEvent

THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""A Monday morning."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


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
