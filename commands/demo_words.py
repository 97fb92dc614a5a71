"""A row of the log in words: what of its data a reader wants to see."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from commands.demo_clock import spoken
from commands.demo_stage import Row
from core.events import EventType
from core.money import text

Data = Mapping[str, Any]


def told(row: Row) -> str:
    """The interesting part of the row's data, on one line."""
    words = _WORDS.get(row["type"], _anything)(row["data"])
    return f"attempt {row['attempt']}, {words}" if row["type"] == EventType.CHARGE_REQUESTED else words


def _failed(data: Data) -> str:
    return text(data["amount"], data["currency"])


def _classified(data: Data) -> str:
    return f"{data['category']} / {data['cause']}, by {data['decided_by']}"


def _assessed(data: Data) -> str:
    score = f", risk score {data['score']}" if data.get("score") is not None else ""
    return f"{data['level']}{score}{''.join(f', {reason}' for reason in data.get('reasons') or ())}"


def _planned(data: Data) -> str:
    return f"in {spoken(timedelta(seconds=data['delay_seconds']))}: {data['why']}"


def _skipped(data: Data) -> str:
    return f"{data['action'].replace('_', ' ')}: {data['why']}"


def _requested(data: Data) -> str:
    return f"{data['trigger'].replace('_', ' ')}, key {data['idempotency_key']}"


def _charged(data: Data) -> str:
    failure = data.get("failure") or {}
    known = (data.get("outcome"), failure.get("code"), data.get("reason"), data.get("charge_id"), _evidence(data))
    return ", ".join(str(one) for one in known if one)


def _evidence(data: Data) -> str:
    return "found by asking the provider" if data.get("evidence") == "read" else ""


def _operator(data: Data) -> str:
    return ": ".join(str(one) for one in (data.get("actor"), data.get("decision"), data.get("reason")) if one)


def _elsewhere(data: Data) -> str:
    return str(data.get("event_type") or "seen when reading the invoice")


def _message(data: Data) -> str:
    known = (data.get("kind"), data.get("channel"), data.get("outcome"), data.get("reason"))
    return ", ".join(str(one).replace("_", " ") for one in known if one)


def _anything(data: Data) -> str:
    scalars = {name: value for name, value in data.items() if isinstance(value, str | int)}
    return ", ".join(f"{name} {value}" for name, value in scalars.items())


_WORDS: Final[Mapping[str, Callable[[Data], str]]] = {
    EventType.PAYMENT_FAILED: _failed,
    EventType.FAILURE_CLASSIFIED: _classified,
    EventType.CUSTOMER_SEGMENTED: lambda data: f"{data['segment']}: {data['why']}",
    EventType.FRAUD_ASSESSED: _assessed,
    EventType.RETRY_PLANNED: _planned,
    EventType.RETRY_SKIPPED: _skipped,
    EventType.CHARGE_REQUESTED: _requested,
    EventType.CHARGE_SUCCEEDED: _charged,
    EventType.CHARGE_DECLINED: _charged,
    EventType.CHARGE_UNKNOWN: _charged,
    EventType.CHARGE_RECONCILED: _charged,
    EventType.RETRY_REQUESTED: _operator,
    EventType.CANCEL_REQUESTED: _operator,
    EventType.PAUSED: _operator,
    EventType.RESUMED: _operator,
    EventType.REVIEWED: _operator,
    EventType.METHOD_UPDATED: lambda data: f"new card {data['method_id']}",
    EventType.PAID_ELSEWHERE: _elsewhere,
    EventType.NOTIFICATION_SENT: _message,
    EventType.NOTIFICATION_FAILED: _message,
    EventType.EVENT_LATE: lambda data: f"{data['event_type']}: came after the end, changes nothing",
    EventType.RECOVERY_CLOSED: lambda data: f"{data['state']}: {str(data['reason']).replace('_', ' ')}",
}
