"""Rows of money that moved outside of a charge of ours, and of whatever comes behind the end of a recovery."""

from typing import Any

from core.events import Event, EventType, State
from core.payments import EventKind, MethodRole, ProviderEvent
from core.recovery.state import Recovery


def late_event(recovery: Recovery, event: ProviderEvent) -> Event:
    """An event that came after the end: kept, without effect on it. Where money moved, the row says how much."""
    if event.kind is EventKind.INVOICE_PAID:
        return money_event(EventType.PAYMENT_LATE, event, amount=event.paid_amount or _open_amount(recovery, event))
    if event.kind is EventKind.PAYMENT_RESTORED and event.returned_amount is not None:
        return money_event(EventType.PAYMENT_LATE, event)
    if event.kind is EventKind.PAYMENT_REFUNDED:
        return money_event(EventType.PAYMENT_REFUNDED, event)
    if _takes_money_back(recovery, event):
        return money_event(EventType.PAYMENT_REVERSED, event)
    data = event_source(event) | {"kind": event.kind.value, "detail": event.detail}
    return Event(type=EventType.EVENT_LATE, occurred_at=event.occurred_at, data=data)


def _takes_money_back(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether money went: a second chargeback of the same payment takes it no second time."""
    if event.kind is EventKind.PAYMENT_REVERSED:
        return True
    won, sum_told = recovery.stage is State.RECOVERED, event.returned_amount is not None
    again = event.payment_id is not None and event.payment_id in recovery.payments_disputed
    return event.kind is EventKind.DISPUTE_OPENED and won and sum_told and not again


def _open_amount(recovery: Recovery, event: ProviderEvent) -> int:
    """What a payment brings that names no sum: all that was open. An invoice's own amount holds earlier parts, too."""
    return max(recovery.amount - recovery.paid_late, 0) if recovery.amount else event.amount or 0


def money_event(kind: EventType, event: ProviderEvent, **more: Any) -> Event:
    """Money that moved outside of a charge of ours, with its amount (minor units) and kind as far as they are told."""
    failure = event.failure.model_dump(mode="json", exclude_none=True) if event.failure else None
    data = {"kind": event.returned_kind, "amount": event.returned_amount, "currency": event.currency}
    data |= {"payment_id": event.payment_id, "detail": event.detail, "failure": failure} | more
    known = {key: value for key, value in data.items() if value is not None}
    return Event(type=kind, occurred_at=event.occurred_at, data=event_source(event) | known)


def is_payment_counted(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether this payment is added up already: an authorisation and its capture, an answer and its echo.

    Stripe tells of one payment twice, as invoice.paid and as invoice.payment_succeeded; behind an end that makes all
    that was open come once.
    """
    part = event.paid_amount is not None and event.payment_id in recovery.payments_counted
    return part or (recovery.stage.is_final and 0 < recovery.amount <= recovery.paid_late)


def event_source(event: ProviderEvent) -> dict[str, Any]:
    """What a row says of the provider's event that it comes from: by the id it is known when it comes again."""
    return {"event_id": event.event_id, "event_type": event.event_type}


def method_update_events(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """A method that is worth a try of its own, as a row; nothing for old news and for what can't help here."""
    version = event.method_version or event.method_id
    # A default may be chosen once more after another one; of what is only stored, old news stays old.
    again = event.method_role is MethodRole.DEFAULT
    seen = recovery.methods_seen[-1:] if again else recovery.methods_seen
    if not event.method_id or version in seen or _is_irrelevant_method(recovery, event):
        return ()
    data = event_source(event) | {"method_id": event.method_id, "method_version": version}
    return (Event(type=EventType.METHOD_UPDATED, occurred_at=event.occurred_at, data=data),)


def _is_irrelevant_method(recovery: Recovery, event: ProviderEvent) -> bool:
    """New data of a card that is neither the one that failed, nor in use, nor a default, mends nothing here.

    Neither does the method that was refused for good, stored or chosen once more without new data.
    """
    if event.method_role is MethodRole.UPDATED:
        ours = {recovery.failure.method_id, recovery.method_in_use, *recovery.default_methods, *recovery.dead_methods}
        known = ours - {None}
        return bool(known) and event.method_id not in known
    return event.method_role is not None and event.method_id in recovery.dead_methods
