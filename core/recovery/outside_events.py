"""Builds events for money moved outside our charges, new payment methods, and anything after a recovery's end."""

from typing import Any

from core.events import Event, EventType, State
from core.payments import EventKind, MethodRole, ProviderEvent
from core.recovery.state import Recovery


def late_event(recovery: Recovery, event: ProviderEvent) -> Event:
    """The event to keep for a provider event after the end, which it doesn't change; with the amount if money moved."""
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
    """Whether the event takes money back; a second dispute event of the same payment doesn't count again."""
    if event.kind is EventKind.PAYMENT_REVERSED:
        return True
    won, sum_told = recovery.stage is State.RECOVERED, event.returned_amount is not None
    again = event.payment_id is not None and event.payment_id in recovery.payments_disputed
    return event.kind is EventKind.DISPUTE_OPENED and won and sum_told and not again


def _open_amount(recovery: Recovery, event: ProviderEvent) -> int:
    """The amount of a payment that names none: all that was open, since the invoice's amount includes earlier parts."""
    return max(recovery.amount - recovery.paid_late, 0) if recovery.amount else event.amount or 0


def money_event(kind: EventType, event: ProviderEvent, **more: Any) -> Event:
    """An event for money moved outside our charges; `amount` (minor units) and `kind` where the provider gave them."""
    failure = event.failure.model_dump(mode="json", exclude_none=True) if event.failure else None
    data = {"kind": event.returned_kind, "amount": event.returned_amount, "currency": event.currency}
    data |= {"payment_id": event.payment_id, "detail": event.detail, "failure": failure} | more
    known = {key: value for key, value in data.items() if value is not None}
    return Event(type=kind, occurred_at=event.occurred_at, data=event_source(event) | known)


def is_payment_counted(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether this payment's amount is counted already, as authorisation and capture, or answer and echo.

    Stripe reports one payment twice, as invoice.paid and as invoice.payment_succeeded; after the end the open amount is
    counted only once.
    """
    part = event.paid_amount is not None and event.payment_id in recovery.payments_counted
    return part or (recovery.stage.is_final and 0 < recovery.amount <= recovery.paid_late)


def event_source(event: ProviderEvent) -> dict[str, Any]:
    """Id and type of the provider's event, for `data`; the id makes a redelivery recognisable."""
    return {"event_id": event.event_id, "event_type": event.event_type}


def method_update_events(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`payment_method.updated` for a method that earns an attempt; empty for a known or irrelevant one."""
    version = event.method_version or event.method_id
    # A default may be chosen again after another one, so only the newest method counts as seen for it.
    again = event.method_role is MethodRole.DEFAULT
    seen = recovery.methods_seen[-1:] if again else recovery.methods_seen
    if not event.method_id or version in seen or _is_irrelevant_method(recovery, event):
        return ()
    data = event_source(event) | {"method_id": event.method_id, "method_version": version}
    return (Event(type=EventType.METHOD_UPDATED, occurred_at=event.occurred_at, data=data),)


def _is_irrelevant_method(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether an attempt with this method can't help.

    True for new data of a card that is not failed, in use, default or refused for good here, and for a method that was
    refused for good and is stored or chosen again without new data.
    """
    if event.method_role is MethodRole.UPDATED:
        ours = {recovery.failure.method_id, recovery.method_in_use, *recovery.default_methods, *recovery.dead_methods}
        known = ours - {None}
        return bool(known) and event.method_id not in known
    return event.method_role is not None and event.method_id in recovery.dead_methods
