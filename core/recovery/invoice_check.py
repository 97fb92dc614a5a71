"""Checks a freshly read invoice: the event, if any, that its status calls for. Independent of webhook order."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from core.durations import REAL_TIME, TimeScale
from core.events import Event, EventType, format_timestamp
from core.events.decision_data import RetrySkipped
from core.payments import FailureFacts, InvoiceStatus, InvoiceView
from core.policy.scope import describe_scope_rule
from core.recovery.machine import Close, closing_event
from core.recovery.state import COLLECTION_PAUSED, PAYMENT_UNDER_WAY, PROVIDER_REFUSED, WRITTEN_OFF, Recovery

FIRST_READ_DELAY: Final = timedelta(hours=1)
"""Delay before the first re-read of a payment that is processing: cards and wallets are done by then."""
MAX_READ_DELAY: Final = timedelta(hours=12)
"""Longest delay between re-reads. Debits take days; their webhook comes first, and the read covers a lost one."""
REVIEW_PERIOD: Final = timedelta(days=7)
"""Time that an operator has for a review that a charge or a read asks for."""


def announced_facts(recovery: Recovery) -> FailureFacts:
    """Failure facts built from the provider's event alone, for a provider that can't be read now or at all."""
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
    """The invoice, open again where it reads as paid only by the payment whose return is the failure.

    A bank may return a payment whose transaction stays `settled`: it must not count as a payment of the invoice.
    """
    newest = invoice.latest_charge_id if invoice.latest_charge_status == "succeeded" else None
    if invoice.status is not InvoiceStatus.PAID or newest is None or newest != recovery.failure.charge_id:
        return invoice
    paid = None if invoice.amount_paid is None else max(invoice.amount_paid - recovery.amount, 0)
    owed = {"status": InvoiceStatus.OPEN, "amount_due": recovery.amount, "amount_paid": paid}
    return invoice.model_copy(update=owed | {"latest_charge_status": "failed"})


def check_invoice(recovery: Recovery, invoice: InvoiceView, now: datetime) -> tuple[Event, ...]:
    """At most one event that the invoice's state calls for; empty while it is open, in scope, unpaid and idle.

    Precedence: paid or closed, disputed, out of scope, payment processing, collection stopped, part paid.
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
        return  # the payment that is processing may be our own charge, which is reconciled first
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
    """Whether an open invoice has nothing due: credit notes and payments outside the provider can do that."""
    known = recovery.rules > 1 and recovery.amount > 0
    return known and invoice.status is InvoiceStatus.OPEN and invoice.amount_due == 0


def _close_reason(invoice: InvoiceView) -> str | None:
    """Why the invoice can't be collected any more: void, uncollectible, subscription ended, customer deleted."""
    closed = {InvoiceStatus.VOID: "voided", InvoiceStatus.UNCOLLECTIBLE: "uncollectible"}
    terms = invoice.terms
    if invoice.status in closed:
        return closed[invoice.status]
    if terms.subscription_status and terms.subscription_status.has_ended:
        return "subscription_ended"
    return "customer_deleted" if terms.customer_deleted else None


def part_payment_event(recovery: Recovery, amount: int, at: datetime, **data: Any) -> Event:
    """`invoice.paid_elsewhere` for a part that was paid or credited. `amount` is that part, in minor units."""
    money = {"amount": amount, "remaining": recovery.amount - amount, "currency": recovery.currency}
    return _build_event(EventType.PAID_ELSEWHERE, at, **money, **data)


def stand_back_event(recovery: Recovery, why: str, now: datetime, time_scale: TimeScale = REAL_TIME) -> Event:
    """`retry.skipped` that suspends charges and messages until the next read of the invoice."""
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
    """Start of the suspension and time of the next read (UTC). The delay equals the time passed, within its limits."""
    back = recovery.standing_back
    since = back.since if back and back.reason == why else now
    return since, now + min(max(now - since, time_scale.shorten(FIRST_READ_DELAY)), time_scale.shorten(MAX_READ_DELAY))


_STAND_BACK_SENTENCES: Final[Mapping[str, str]] = {
    PAYMENT_UNDER_WAY: "a payment of this invoice is on its way at the provider; we look again when it may be over",
    WRITTEN_OFF: "the invoice is written off and is never charged; a payment would still count",
    COLLECTION_PAUSED: "the merchant has paused the collection of this subscription; we look again",
}


def provider_refusal_event(recovery: Recovery, sentence: str, now: datetime) -> Event:
    """The row for a provider that refuses the API key. Reads go on by themselves, so that a mended key is enough."""
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
    """The closing event, or what the final read found instead; stopped collection doesn't delay the end."""
    found = check_invoice(recovery, invoice, now)
    skipped = (event.data for event in found if isinstance(event.data, RetrySkipped))
    waits = any(data.reason in {COLLECTION_PAUSED, WRITTEN_OFF} for data in skipped)
    return found if found and not waits else (closing_event(step, now),)


def _build_event(type_: EventType, occurred_at: datetime, /, **data: Any) -> Event:
    return Event(type=type_, occurred_at=occurred_at, data=data)
