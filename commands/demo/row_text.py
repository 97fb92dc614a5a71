"""Describes rows of the log for the demo: the part of their data that explains what happened."""

from functools import singledispatch

from commands.demo.driver import Row
from core.events import EventType, read_data
from core.events.data import (
    EventData,
    EventLate,
    MessageReported,
    MethodUpdated,
    OperatorCommand,
    OperatorReviewed,
    RecoveryClosed,
)
from core.events.decision_data import (
    CustomerSegmented,
    FailureClassified,
    FraudAssessed,
    RetryPlanned,
    RetrySkipped,
)
from core.events.money_data import (
    ChargeEnd,
    ChargeReconciled,
    ChargeRequested,
    ChargeUnknown,
    PaidElsewhere,
    PaymentFailed,
)
from core.formatting import format_amount, format_duration


def describe_row(row: Row) -> str:
    """The relevant part of the row's data on one line."""
    words = _describe(read_data(EventType(row["type"]), row["data"]))
    return f"attempt {row['attempt']}, {words}" if row["type"] == EventType.CHARGE_REQUESTED else words


@singledispatch
def _describe(data: EventData) -> str:
    """Text and numbers of the row by key, for data that has no words of its own below."""
    scalars = {name: value for name, value in data.stored.items() if isinstance(value, str | int)}
    return ", ".join(f"{name} {value}" for name, value in scalars.items())


@_describe.register
def _describe_failure(data: PaymentFailed) -> str:
    return format_amount(data.amount, data.currency) if data.amount is not None and data.currency else ""


@_describe.register
def _describe_classification(data: FailureClassified) -> str:
    return f"{data.category} / {data.cause}, by {data.decided_by}"


@_describe.register
def _describe_segment(data: CustomerSegmented) -> str:
    return f"{data.segment}: {data.why}"


@_describe.register
def _describe_assessment(data: FraudAssessed) -> str:
    score = f", risk score {data.score}" if data.score is not None else ""
    return f"{data.level}{score}{''.join(f', {reason}' for reason in data.reasons)}"


@_describe.register
def _describe_plan(data: RetryPlanned) -> str:
    return f"in {format_duration(data.delay_seconds or 0)}: {data.why}"


@_describe.register
def _describe_skip(data: RetrySkipped) -> str:
    return f"{_plain(data.action)}: {data.why}"


@_describe.register
def _describe_request(data: ChargeRequested) -> str:
    return f"{_plain(data.trigger)}, key {data.idempotency_key}"


@_describe.register
def _describe_answer(data: ChargeEnd) -> str:
    return _joined(data.failure.code if data.failure else None, data.reason, data.charge_id)


@_describe.register
def _describe_reconciliation(data: ChargeReconciled) -> str:
    evidence = "found by asking the provider" if data.evidence == "read" else ""
    return _joined(data.outcome, _describe_answer(data), evidence)


@_describe.register
def _describe_unknown(data: ChargeUnknown) -> str:
    return data.reason or ""


@_describe.register
def _describe_operator(data: OperatorCommand) -> str:
    decision = data.decision if isinstance(data, OperatorReviewed) else None
    return ": ".join(filter(None, (data.actor, decision, data.reason)))


@_describe.register
def _describe_method(data: MethodUpdated) -> str:
    return f"new card {data.method_id}"


@_describe.register
def _describe_elsewhere(data: PaidElsewhere) -> str:
    return data.event_type or "seen when reading the invoice"


@_describe.register
def _describe_message(data: MessageReported) -> str:
    return _plain(_joined(data.kind, data.channel, data.outcome, data.reason))


@_describe.register
def _describe_late(data: EventLate) -> str:
    return f"{data.event_type}: came after the end, changes nothing"


@_describe.register
def _describe_end(data: RecoveryClosed) -> str:
    return f"{data.state}: {_plain(data.reason)}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _joined(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))
