"""Describes rows of the log for the demo: the part of their data that explains what happened."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from commands.demo.driver import Row
from core.events import EventType
from core.formatting import format_amount, format_duration

RowData = Mapping[str, Any]


def describe_row(row: Row) -> str:
    """The relevant part of the row's data on one line."""
    words = _DESCRIBERS.get(row["type"], _describe_scalars)(row["data"])
    return f"attempt {row['attempt']}, {words}" if row["type"] == EventType.CHARGE_REQUESTED else words


def _describe_failure(data: RowData) -> str:
    return format_amount(data["amount"], data["currency"])


def _describe_classification(data: RowData) -> str:
    return f"{data['category']} / {data['cause']}, by {data['decided_by']}"


def _describe_assessment(data: RowData) -> str:
    score = f", risk score {data['score']}" if data.get("score") is not None else ""
    return f"{data['level']}{score}{''.join(f', {reason}' for reason in data.get('reasons') or ())}"


def _describe_plan(data: RowData) -> str:
    return f"in {format_duration(data['delay_seconds'])}: {data['why']}"


def _describe_skip(data: RowData) -> str:
    return f"{data['action'].replace('_', ' ')}: {data['why']}"


def _describe_request(data: RowData) -> str:
    return f"{data['trigger'].replace('_', ' ')}, key {data['idempotency_key']}"


def _describe_charge(data: RowData) -> str:
    failure = data.get("failure") or {}
    known = (
        data.get("outcome"),
        failure.get("code"),
        data.get("reason"),
        data.get("charge_id"),
        _describe_evidence(data),
    )
    return ", ".join(str(one) for one in known if one)


def _describe_evidence(data: RowData) -> str:
    return "found by asking the provider" if data.get("evidence") == "read" else ""


def _describe_operator(data: RowData) -> str:
    return ": ".join(str(one) for one in (data.get("actor"), data.get("decision"), data.get("reason")) if one)


def _describe_elsewhere(data: RowData) -> str:
    return str(data.get("event_type") or "seen when reading the invoice")


def _describe_message(data: RowData) -> str:
    known = (data.get("kind"), data.get("channel"), data.get("outcome"), data.get("reason"))
    return ", ".join(str(one).replace("_", " ") for one in known if one)


def _describe_scalars(data: RowData) -> str:
    scalars = {name: value for name, value in data.items() if isinstance(value, str | int)}
    return ", ".join(f"{name} {value}" for name, value in scalars.items())


_DESCRIBERS: Final[Mapping[str, Callable[[RowData], str]]] = {
    EventType.PAYMENT_FAILED: _describe_failure,
    EventType.FAILURE_CLASSIFIED: _describe_classification,
    EventType.CUSTOMER_SEGMENTED: lambda data: f"{data['segment']}: {data['why']}",
    EventType.FRAUD_ASSESSED: _describe_assessment,
    EventType.RETRY_PLANNED: _describe_plan,
    EventType.RETRY_SKIPPED: _describe_skip,
    EventType.CHARGE_REQUESTED: _describe_request,
    EventType.CHARGE_SUCCEEDED: _describe_charge,
    EventType.CHARGE_DECLINED: _describe_charge,
    EventType.CHARGE_UNKNOWN: _describe_charge,
    EventType.CHARGE_RECONCILED: _describe_charge,
    EventType.RETRY_REQUESTED: _describe_operator,
    EventType.CANCEL_REQUESTED: _describe_operator,
    EventType.PAUSED: _describe_operator,
    EventType.RESUMED: _describe_operator,
    EventType.REVIEWED: _describe_operator,
    EventType.METHOD_UPDATED: lambda data: f"new card {data['method_id']}",
    EventType.PAID_ELSEWHERE: _describe_elsewhere,
    EventType.NOTIFICATION_SENT: _describe_message,
    EventType.NOTIFICATION_FAILED: _describe_message,
    EventType.EVENT_LATE: lambda data: f"{data['event_type']}: came after the end, changes nothing",
    EventType.RECOVERY_CLOSED: lambda data: f"{data['state']}: {str(data['reason']).replace('_', ' ')}",
}
