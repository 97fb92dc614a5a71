"""Builds notices from rows of the log, for operators and, as webhooks, for the merchant's systems."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from core.base import Value
from core.classification.taxonomy import Cause
from core.events import EventType, Record, SkipAction, State, format_timestamp
from core.events.data import DisputeOpened, EventData, MessageFailed, RecoveryClosed
from core.events.decision_data import FailureClassified, RetrySkipped
from core.events.money_data import MoneyMoved, PaymentLate
from core.formatting import format_amount, spell_duration
from core.recovery.machine import apply
from core.recovery.state import Recovery


class Audience(StrEnum):
    """Recipients of a notice."""

    OPERATORS = "operators"
    WEBHOOK = "webhook"


class NoticeTopic(StrEnum):
    """Topics of notices to operators."""

    REVIEW = "review_needed"
    LOST = "important_recovery_lost"
    DISPUTE = "dispute"
    CONFIGURATION = "configuration"
    UNKNOWN_CODE = "unknown_code"
    TROUBLE = "provider_trouble"
    DEAD_LETTER = "dead_letter"
    UNREADABLE = "invoice_unreadable"
    UNHEARD_CHARGE = "unheard_charge"
    """A recovery ended without the provider's word on its last charge."""
    MONEY_BACK = "money_back"
    """Money went back after it had been paid, or was paid after the recovery ended."""


class Notice(Value):
    """One notice. It holds ids and codes only, no personal data."""

    id: UUID
    audience: Audience
    topic: str
    recovery_id: str | None = None
    occurred_at: datetime
    data: Mapping[str, Any] = {}


def build_notices(before: Recovery, records: Sequence[Record], audiences: frozenset[Audience]) -> tuple[Notice, ...]:
    """Notices for the rows written after `before`. Pure: the same rows give the same notices and ids."""
    return tuple(one for one in _list_notices(before, records) if one.audience in audiences)


def dead_letter_notice(name: str, at: datetime, **data: Any) -> Notice:
    """A notice for a delivery that was given up after its last attempt."""
    known = uuid5(NAMESPACE_URL, f"pri:dead:{name}")
    return Notice(
        id=known,
        audience=Audience.OPERATORS,
        topic=NoticeTopic.DEAD_LETTER,
        occurred_at=at,
        data={"name": name, **data},
    )


def _list_notices(recovery: Recovery, records: Sequence[Record]) -> Iterator[Notice]:
    for record in records:
        recovery = apply(recovery, record)
        if topic := _operator_topic(recovery, record):
            yield _build_notice(recovery, record, Audience.OPERATORS, topic.value, _operator_data(recovery, record))
        if name := _webhook_topic(record):
            yield _build_notice(recovery, record, Audience.WEBHOOK, name, _webhook_data(recovery, record, name))


def _operator_topic(recovery: Recovery, record: Record) -> NoticeTopic | None:
    found = _TOPICS.get(record.type)
    return found(recovery, record) if found else None


def _skip_topic(recovery: Recovery, record: Record) -> NoticeTopic | None:
    """The topic of a skipped retry; None where it was reported before."""
    data = record.read(RetrySkipped)
    if data.again:
        return None
    if recovery.ending and data.action is SkipAction.REVIEW:
        return NoticeTopic.UNHEARD_CHARGE
    return {SkipAction.REVIEW: NoticeTopic.REVIEW, SkipAction.TELL_OPERATORS: NoticeTopic.CONFIGURATION}.get(
        data.action
    )


def _classification_topic(_: Recovery, record: Record) -> NoticeTopic | None:
    """UNREADABLE where the invoice could not be read, else by cause; a missing payment method is no unknown code."""
    data = record.read(FailureClassified)
    if "provider" in data.missing:
        return NoticeTopic.UNREADABLE
    if data.cause is Cause.UNKNOWN and data.ability:
        return None
    return {Cause.TECHNICAL: NoticeTopic.TROUBLE, Cause.UNKNOWN: NoticeTopic.UNKNOWN_CODE}.get(data.cause)


def _unsent_topic(_: Recovery, record: Record) -> NoticeTopic | None:
    """CONFIGURATION for a failed message whose cause the merchant can fix; else None."""
    reason = record.read(MessageFailed).reason or ""
    ours = reason in {"login_refused", "channel_not_set_up"} or reason.startswith("template_")
    return NoticeTopic.CONFIGURATION if ours else None


def _closing_topic(recovery: Recovery, record: Record) -> NoticeTopic | None:
    lost = record.read(RecoveryClosed).state in {State.EXHAUSTED, State.BLOCKED}
    return NoticeTopic.LOST if lost and recovery.important else None


_TOPICS: Final[Mapping[EventType, Callable[[Recovery, Record], NoticeTopic | None]]] = {
    EventType.RETRY_SKIPPED: _skip_topic,
    EventType.FAILURE_CLASSIFIED: _classification_topic,
    EventType.DISPUTE_OPENED: lambda _, __: NoticeTopic.DISPUTE,
    EventType.NOTIFICATION_FAILED: _unsent_topic,
    EventType.PAYMENT_REVERSED: lambda _, __: NoticeTopic.MONEY_BACK,
    EventType.PAYMENT_REFUNDED: lambda _, __: NoticeTopic.MONEY_BACK,
    EventType.PAYMENT_LATE: lambda _, __: NoticeTopic.MONEY_BACK,
    EventType.RECOVERY_CLOSED: _closing_topic,
}


_MONEY_EVENTS: Final[Mapping[EventType, str]] = {
    EventType.PAYMENT_REFUNDED: "recovery.payment_refunded",
    EventType.PAYMENT_REVERSED: "recovery.payment_reversed",
    EventType.PAYMENT_LATE: "recovery.paid_late",
}
"""Webhook event types for money that moved apart from a recovery's end, before or after it."""


def _webhook_topic(record: Record) -> str | None:
    if record.type is EventType.PAYMENT_FAILED:
        return "recovery.opened" if record.sequence == 1 else None
    if record.type is EventType.RECOVERY_CLOSED:
        return "recovery.recovered" if record.read(RecoveryClosed).state is State.RECOVERED else "recovery.ended"
    return "recovery.planned" if record.type is EventType.RETRY_PLANNED else _MONEY_EVENTS.get(record.type)


def _build_notice(
    recovery: Recovery, record: Record, audience: Audience, topic: str, data: Mapping[str, Any]
) -> Notice:
    # The id is derived from the row: a repeated activity builds the same notice, which is stored and sent once.
    return Notice(
        id=uuid5(NAMESPACE_URL, f"pri:{audience}:{recovery.recovery_id}:{record.sequence}"),
        audience=audience,
        topic=topic,
        recovery_id=recovery.recovery_id,
        occurred_at=record.occurred_at,
        data=data,
    )


def _operator_data(recovery: Recovery, record: Record) -> dict[str, Any]:
    moved = record.data if isinstance(record.data, MoneyMoved) else None
    return {
        "provider": recovery.provider,
        "invoice_id": recovery.invoice_id,
        "amount": moved.amount if moved else recovery.amount,
        "currency": (moved.currency if moved else None) or recovery.currency,
        "why": _reason_of(record.data),
    }


def _reason_of(data: EventData) -> str | None:
    """The sentence or code that a notice to operators gives; None where the row has none."""
    match data:
        case RetrySkipped():
            return data.why or data.reason
        case FailureClassified():
            return data.code
        case DisputeOpened():
            return data.kind.value
        case MessageFailed():
            return data.reason or data.kind
        case RecoveryClosed():
            return data.reason
        case MoneyMoved():
            return data.kind or ("paid after the end" if isinstance(data, PaymentLate) else None)
    return None


def _webhook_data(recovery: Recovery, record: Record, name: str) -> dict[str, Any]:
    """Webhook payload: the recovery with the API's field names and, if money moved, the payment."""
    data: dict[str, Any] = {
        "recovery_id": recovery.recovery_id,
        "provider": recovery.provider,
        "invoice_id": recovery.invoice_id,
        "customer_id": recovery.customer_id,
        "amount": recovery.amount,
        "currency": recovery.currency,
        "paid": recovery.paid,
        "paid_late": recovery.paid_late,
        "returned": recovery.returned,
        "state": recovery.state.value,
        "category": recovery.category,
        "cause": recovery.cause,
        "segment": recovery.segment,
        "attempts_used": recovery.attempts_used,
        "next_attempt_at": format_timestamp(recovery.next_attempt_at) if recovery.next_attempt_at else None,
        "reason": record.data.reason if isinstance(record.data, RecoveryClosed) else None,
    }
    if isinstance(record.data, MoneyMoved):
        data["payment"] = _payment_data(recovery, record.data)
    return {"type": name, "timestamp": format_timestamp(record.occurred_at), "data": data}


def _payment_data(recovery: Recovery, moved: MoneyMoved) -> dict[str, Any]:
    """Amount moved (minor units; None where the provider gave none), currency, payment and kind."""
    return {
        "kind": moved.kind,
        "amount": moved.amount,
        "payment_id": moved.payment_id,
        "detail": moved.detail,
        "currency": moved.currency or recovery.currency,
    }


DIGEST_PAUSE: Final = timedelta(minutes=10)
"""Pause between two digests of one topic; notices that arrive meanwhile go into the next one."""
TROUBLE_THRESHOLD: Final = 10
"""Technical failures of one provider within `TROUBLE_WINDOW` from which operators get a digest."""
TROUBLE_WINDOW: Final = timedelta(minutes=15)
MAX_LISTED: Final = 10
TOPIC_TITLES: Final[Mapping[str, str]] = {
    NoticeTopic.REVIEW: "a recovery waits for review",
    NoticeTopic.LOST: "an important recovery failed",
    NoticeTopic.DISPUTE: "a payment is disputed",
    NoticeTopic.CONFIGURATION: "the configuration must be corrected",
    NoticeTopic.UNKNOWN_CODE: "a decline code is unknown",
    NoticeTopic.TROUBLE: "unusually many technical failures",
    NoticeTopic.DEAD_LETTER: "a delivery was given up",
    NoticeTopic.UNREADABLE: "an invoice could not be read at its provider",
    NoticeTopic.UNHEARD_CHARGE: "a recovery ended without knowing whether its last charge succeeded",
    NoticeTopic.MONEY_BACK: "money was returned, or paid after the end",
}


class Digest(NamedTuple):
    """One message to the operators; without a title its notices are dropped without one."""

    title: str
    body: str
    notices: tuple[Notice, ...]


def build_digests(waiting: Iterable[Notice], last: Mapping[str, datetime], now: datetime) -> Iterator[Digest]:
    """The digests that are due; a notice in none of them waits for the next pass."""
    by_topic = groupby(sorted(waiting, key=lambda one: one.topic), key=lambda one: one.topic)
    for topic, grouped in by_topic:
        found = sorted(grouped, key=lambda one: one.occurred_at)
        if topic == NoticeTopic.TROUBLE:
            yield from _trouble_digests(found, now, _is_paused(topic, last, now))
        elif not _is_paused(topic, last, now):
            yield _build_digest(topic, found)


def _is_paused(topic: str, last: Mapping[str, datetime], now: datetime) -> bool:
    return topic in last and now - last[topic] < DIGEST_PAUSE


def _trouble_digests(found: Sequence[Notice], now: datetime, paused: bool) -> Iterator[Digest]:
    """One digest per provider with many technical failures in `TROUBLE_WINDOW`; older ones are dropped without one."""
    stale = tuple(one for one in found if now - one.occurred_at > TROUBLE_WINDOW)
    for provider in sorted({str(one.data.get("provider")) for one in found if one not in stale}):
        fresh = [one for one in found if one not in stale and one.data.get("provider") == provider]
        if len(fresh) >= TROUBLE_THRESHOLD and not paused:
            within = spell_duration(TROUBLE_WINDOW)
            body = f"{len(fresh)} payments failed for technical reasons within {within}, which is unusual."
            yield Digest(f"{provider}: {TOPIC_TITLES[NoticeTopic.TROUBLE]}", body, tuple(fresh))
    if stale:
        yield Digest("", "", stale)


def _build_digest(topic: str, found: Sequence[Notice]) -> Digest:
    many = f" ({len(found)} times)" if len(found) > 1 else ""
    lines = [_notice_line(one) for one in found[:MAX_LISTED]]
    more = [f"and {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return Digest(f"{TOPIC_TITLES.get(topic, topic)}{many}", "\n".join([*lines, *more]), tuple(found))


def _notice_line(one: Notice) -> str:
    data = one.data
    amount, currency = data.get("amount"), data.get("currency") or ""
    money = format_amount(amount, currency) if isinstance(amount, int) and currency else ""
    parts = (data.get("invoice_id") or data.get("name") or one.recovery_id, money, data.get("why"))
    return ", ".join(str(part) for part in parts if part)
