"""Which recoveries a provider's event concerns, by its kind: that of its invoice, or all of its customer."""

from datetime import datetime
from typing import Final

from core.payments import INVOICE_AND_CUSTOMER_KINDS, OPENING_KINDS, EventKind, ProviderEvent
from intake.recovery_store import OpenInvoice, RecoveryStore

INVOICE_KINDS: Final = OPENING_KINDS | {
    EventKind.INVOICE_PAID,
    EventKind.INVOICE_VOIDED,
    EventKind.INVOICE_UNCOLLECTIBLE,
    EventKind.PAYMENT_REFUNDED,
    EventKind.PAYMENT_REVERSED,
    EventKind.PAYMENT_RESTORED,
    EventKind.DISPUTE_INQUIRY,
    EventKind.WAKE,
}
"""Kinds that concern one invoice and have no effect without it."""
CUSTOMER_KINDS: Final = frozenset({EventKind.METHOD_UPDATED, EventKind.SUBSCRIPTION_ENDED, EventKind.CUSTOMER_DELETED})
"""Kinds that concern every recovery of the customer."""
KINDS_WITH_EFFECT: Final = INVOICE_KINDS | CUSTOMER_KINDS | INVOICE_AND_CUSTOMER_KINDS


def concerns_customer(event: ProviderEvent) -> bool:
    """Whether it concerns more than one invoice. A resumed subscription wakes the recoveries of all its invoices."""
    of_subscription = event.kind is EventKind.WAKE and event.subscription_id and event.invoice_id is None
    return bool(of_subscription) or event.kind not in INVOICE_KINDS


def names_target(event: ProviderEvent) -> bool:
    """Whether the event names the invoice, or the customer, that it concerns."""
    return bool(event.invoice_id or (event.customer_id and concerns_customer(event)))


async def list_targets(event: ProviderEvent, store: RecoveryStore, now: datetime) -> list[str]:
    """The invoices that the event concerns: its own first, then those of the customer's open recoveries."""
    own = [event.invoice_id] if event.invoice_id else []
    if not concerns_customer(event):
        return own
    return own + [one.invoice_id for one in await _other_invoices(event, store, now)]


async def _other_invoices(event: ProviderEvent, store: RecoveryStore, now: datetime) -> list[OpenInvoice]:
    others = [one for one in await store.open_invoices(event, now) if one.invoice_id != event.invoice_id]
    if event.kind not in {EventKind.SUBSCRIPTION_ENDED, EventKind.WAKE}:
        return others
    return [one for one in others if one.subscription_id and one.subscription_id == event.subscription_id]
