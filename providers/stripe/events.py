"""Stripe's event types as data: what each one means for a recovery, and which reader takes its ids.

Source of the names: stripe-python 16.1, `stripe/_event.py`; of what they mean: docs.stripe.com/api/events/types.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.payments import EventKind
from providers.fields import Fields, Unfit
from providers.stripe import takers
from providers.stripe.takers import Taken


@dataclass(frozen=True)
class Row:
    """One event type: its meaning, and the reader of its object. What a reader takes wins over the row's own."""

    kind: EventKind
    take: Callable[[Fields, Fields], Taken] = takers.nothing
    detail: str | None = None


def meaning(event: Fields) -> dict[str, Any] | None:
    """The fields of the normalised event; None for a type that is not used. Raises Unfit."""
    row = EVENTS.get(event.code("type") or "")
    if row is None:
        return None
    data = event.child("data")
    subject = data.child("object")
    if not subject:
        raise Unfit("data.object")
    return {"kind": row.kind, "detail": row.detail} | row.take(subject, data.child("previous_attributes"))


EVENTS: Final[Mapping[str, Row]] = {
    "invoice.payment_failed": Row(EventKind.PAYMENT_FAILED, takers.failed_invoice),
    "invoice.payment_action_required": Row(EventKind.ACTION_REQUIRED, takers.invoice_needing_action),
    "invoice.payment_attempt_required": Row(
        EventKind.OTHER, takers.invoice, "must be paid outside of Stripe: no charge can help"
    ),
    "invoice.updated": Row(EventKind.OTHER, takers.updated_invoice),
    "invoice.paid": Row(EventKind.INVOICE_PAID, takers.invoice),
    "invoice.payment_succeeded": Row(EventKind.INVOICE_PAID, takers.invoice),
    # One payment of perhaps several: the invoice is paid only when `invoice.paid` says so, or a read does.
    "invoice_payment.paid": Row(EventKind.WAKE, takers.invoice_payment, "a payment of the invoice was made"),
    "invoice.voided": Row(EventKind.INVOICE_VOIDED, takers.invoice),
    "invoice.marked_uncollectible": Row(EventKind.INVOICE_UNCOLLECTIBLE, takers.invoice),
    "invoice.overdue": Row(EventKind.OTHER, takers.invoice, "the invoice is overdue: nothing to do"),
    "invoice.finalization_failed": Row(EventKind.OTHER, takers.invoice, "not finalised: nothing was charged"),
    "payment_intent.payment_failed": Row(EventKind.OTHER, detail="told by invoice.payment_failed"),
    "payment_intent.requires_action": Row(EventKind.OTHER, detail="told by invoice.payment_action_required"),
    "payment_intent.succeeded": Row(EventKind.OTHER, detail="told by invoice.paid"),
    "charge.failed": Row(EventKind.OTHER, detail="told by invoice.payment_failed"),
    "charge.dispute.created": Row(EventKind.DISPUTE_OPENED, takers.dispute),
    "charge.dispute.closed": Row(EventKind.OTHER, takers.closed_dispute),
    "radar.early_fraud_warning.created": Row(EventKind.FRAUD_WARNING, takers.fraud_warning),
    "radar.early_fraud_warning.updated": Row(EventKind.FRAUD_WARNING, takers.fraud_warning),
    "customer.subscription.deleted": Row(EventKind.SUBSCRIPTION_ENDED, takers.subscription),
    "customer.subscription.updated": Row(EventKind.OTHER, takers.updated_subscription),
    "customer.subscription.paused": Row(EventKind.OTHER, takers.subscription, "the subscription is paused"),
    "customer.updated": Row(EventKind.METHOD_UPDATED, takers.updated_customer),
    "payment_method.attached": Row(EventKind.METHOD_UPDATED, takers.attached_method),
    "payment_method.automatically_updated": Row(EventKind.METHOD_UPDATED, takers.changed_method),
    "payment_method.updated": Row(EventKind.METHOD_UPDATED, takers.changed_method),
    "payment_method.detached": Row(EventKind.OTHER, detail="a method was removed: nothing to do"),
}
