"""What a fresh read of the invoice amounts to: the verdict that no lost, late or early event can change."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from core.durations import REAL_TIME, TimeScale
from core.events import Event, EventType, format_timestamp
from core.payments import FailureFacts, InvoiceStatus, InvoiceView
from core.policy.scope import describe_scope_rule
from core.recovery.machine import Close, closing_event
from core.recovery.state import COLLECTION_PAUSED, PAYMENT_UNDER_WAY, PROVIDER_REFUSED, WRITTEN_OFF, Recovery

FIRST_READ_DELAY: Final = timedelta(hours=1)
"""A card or a wallet is through by then."""
MAX_READ_DELAY: Final = timedelta(hours=12)
"""Debits take days, and their end is told by webhook: looking is the net under it."""
REVIEW_PERIOD: Final = timedelta(days=7)
"""How long a person has to look at what only a person can mend."""


def announced_facts(recovery: Recovery) -> FailureFacts:
    """What the provider's event said, for a provider that can't be read now or at all."""
    invoice = InvoiceView(
        invoice_id=recovery.invoice_id,
        status=InvoiceStatus.OPEN,
        amount_due=recovery.amount,
        currency=recovery.currency,
        customer_id=recovery.customer_id,
        subscription_id=recovery.subscription_id,
        next_provider_attempt=recovery.next_provider_attempt,
    )
    return FailureFacts(invoice=invoice, failure=recovery.failure, card=recovery.card, missing=("provider",))


def reopen_returned_payment(recovery: Recovery, invoice: InvoiceView) -> InvoiceView:
    """The invoice as the notice of its failure knows it, where that very payment still reads as through.

    A bank may give money back whose transaction stays `settled`: then it would pass for a payment of its own failure.
    """
    newest = invoice.latest_charge_id if invoice.latest_charge_status == "succeeded" else None
    if invoice.status is not InvoiceStatus.PAID or newest is None or newest != recovery.failure.charge_id:
        return invoice
    paid = None if invoice.amount_paid is None else max(invoice.amount_paid - recovery.amount, 0)
    owed = {"status": InvoiceStatus.OPEN, "amount_due": recovery.amount, "amount_paid": paid}
    return invoice.model_copy(update=owed | {"latest_charge_status": "failed"})


def check_invoice(recovery: Recovery, invoice: InvoiceView, now: datetime) -> tuple[Event, ...]:
    """The event that the invoice as it is now amounts to; none while it is open, ours, whole and at rest.

    The order says what counts most: what is over, whose it is, what is on its way, how much is open.
    """
    return tuple(_invoice_events(recovery, invoice, now))[:1]


def _invoice_events(recovery: Recovery, invoice: InvoiceView, now: datetime) -> Iterator[Event]:
    if invoice.status is InvoiceStatus.PAID or _is_nothing_open(recovery, invoice):
        yield _build_event(EventType.PAID_ELSEWHERE, now, source="read")
    if why := _close_reason(invoice):
        yield _build_event(EventType.CLOSED_ELSEWHERE, now, why=why, source="read")
    if invoice.disputed:
        yield _build_event(EventType.DISPUTE_OPENED, now, kind="dispute", source="read")
    if rule := invoice.out_of_scope:
        yield _build_event(
            EventType.RETRY_SKIPPED, now, action="out_of_scope", reason=rule, why=describe_scope_rule(rule)
        )
    if recovery.in_flight:
        return  # what is on its way may be our own charge, and is settled first
    pace = TimeScale(factor=invoice.time_scale)
    if recovery.rules > 1 and invoice.processing:
        yield stand_back_event(recovery, PAYMENT_UNDER_WAY, now, pace)
    if invoice.written_off:
        yield stand_back_event(recovery, WRITTEN_OFF, now, pace)
    if invoice.terms.collection_paused:
        yield stand_back_event(recovery, COLLECTION_PAUSED, now, pace)
    if recovery.rules > 1 and 0 < invoice.amount_due < recovery.amount and invoice.currency == recovery.currency:
        yield part_payment_event(recovery, recovery.amount - invoice.amount_due, now, source="read")


def _is_nothing_open(recovery: Recovery, invoice: InvoiceView) -> bool:
    """Credit notes and payments outside of the provider can bring an open invoice to nothing."""
    known = recovery.rules > 1 and recovery.amount > 0
    return known and invoice.status is InvoiceStatus.OPEN and invoice.amount_due == 0


def _close_reason(invoice: InvoiceView) -> str | None:
    """Why nobody may collect it any more."""
    closed = {InvoiceStatus.VOID: "voided", InvoiceStatus.UNCOLLECTIBLE: "uncollectible"}
    terms = invoice.terms
    if invoice.status in closed:
        return closed[invoice.status]
    if terms.subscription_status and terms.subscription_status.has_ended:
        return "subscription_ended"
    return "customer_deleted" if terms.customer_deleted else None


def part_payment_event(recovery: Recovery, amount: int, at: datetime, **data: Any) -> Event:
    """Less is open than before: a part was paid, or credited. `amount` in minor units."""
    money = {"amount": amount, "remaining": recovery.amount - amount, "currency": recovery.currency}
    return _build_event(EventType.PAID_ELSEWHERE, at, **money, **data)


def stand_back_event(recovery: Recovery, why: str, now: datetime, time_scale: TimeScale = REAL_TIME) -> Event:
    """Charge nothing and write to nobody until the next look."""
    since, at = _next_read(recovery, why, now, time_scale)
    data = {
        "action": "stand_back",
        "reason": why,
        "since": format_timestamp(since),
        "at": format_timestamp(at),
        "why": _STAND_BACK_SENTENCES[why],
    }
    return _build_event(EventType.RETRY_SKIPPED, now, **data)


def _next_read(
    recovery: Recovery, why: str, now: datetime, time_scale: TimeScale = REAL_TIME
) -> tuple[datetime, datetime]:
    """Since when this is in the way, and when to look again: each look comes later than the one before."""
    back = recovery.standing_back
    since = back.since if back and back.reason == why else now
    return since, now + min(max(now - since, time_scale.shorten(FIRST_READ_DELAY)), time_scale.shorten(MAX_READ_DELAY))


_STAND_BACK_SENTENCES: Final[Mapping[str, str]] = {
    PAYMENT_UNDER_WAY: "a payment of this invoice is on its way at the provider; we look again when it may be over",
    WRITTEN_OFF: "the invoice is written off and is never charged; a payment would still count",
    COLLECTION_PAUSED: "the merchant has paused the collection of this subscription; we look again",
}


def provider_refusal_event(recovery: Recovery, sentence: str, now: datetime) -> Event:
    """Operators hear of it once; then it is looked at again by itself, so that mending the key is enough."""
    back = recovery.standing_back
    again = back is not None and back.reason == PROVIDER_REFUSED
    since, at = _next_read(recovery, PROVIDER_REFUSED, now)
    until = recovery.until if again and recovery.until else now + REVIEW_PERIOD
    data: dict[str, Any] = {"action": "tell_operators", "reason": PROVIDER_REFUSED, "why": sentence}
    data |= {
        "since": format_timestamp(since),
        "at": format_timestamp(at),
        "until": format_timestamp(until),
        "customer_until": format_timestamp(until),
    }
    return _build_event(EventType.RETRY_SKIPPED, now, **data, **({"again": True} if again else {}))


def final_check_events(recovery: Recovery, step: Close, invoice: InvoiceView, now: datetime) -> tuple[Event, ...]:
    """The end, or what the last look found against it. A pause of the merchant's is no reason to wait for longer."""
    found = check_invoice(recovery, invoice, now)
    waits = any(event.data.get("reason") in {COLLECTION_PAUSED, WRITTEN_OFF} for event in found)
    return found if found and not waits else (closing_event(step, now),)


def _build_event(type_: EventType, occurred_at: datetime, /, **data: Any) -> Event:
    return Event(type=type_, occurred_at=occurred_at, data=data)
