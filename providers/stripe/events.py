"""Stripe's event types as data: what each one means for a recovery, and which extractor reads its fields.

Source of the names: stripe-python 16.1, `stripe/_event.py`; of what they mean: docs.stripe.com/api/events/types.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.payments import EventKind
from providers.fields import Fields, InvalidField
from providers.stripe import invoice_extractors, method_extractors, payment_extractors
from providers.stripe.invoice_extractors import EventFields


@dataclass(frozen=True)
class Row:
    """One event type: its kind, its extractor and its detail. Fields that the extractor returns replace the row's."""

    kind: EventKind
    extract: Callable[[Fields, Fields], EventFields] = invoice_extractors.extract_nothing
    detail: str | None = None


def interpret_event(event: Fields) -> dict[str, Any] | None:
    """The fields of the normalised event; None for a type without a row. Raises InvalidField."""
    row = EVENTS.get(event.code("type") or "")
    if row is None:
        return None
    data = event.child("data")
    subject = data.child("object")
    if not subject:
        raise InvalidField("data.object")
    clock = {"simulated": subject.id("test_clock") is not None}
    return {"kind": row.kind, "detail": row.detail} | clock | row.extract(subject, data.child("previous_attributes"))


EVENTS: Final[Mapping[str, Row]] = {
    "invoice.payment_failed": Row(EventKind.PAYMENT_FAILED, invoice_extractors.extract_failed_invoice),
    "invoice.payment_action_required": Row(EventKind.ACTION_REQUIRED, invoice_extractors.extract_invoice_action),
    "invoice.payment_attempt_required": Row(
        EventKind.OTHER, invoice_extractors.extract_invoice, "must be paid outside of Stripe: no charge can help"
    ),
    "invoice.updated": Row(EventKind.OTHER, invoice_extractors.extract_updated_invoice),
    "invoice.paid": Row(EventKind.INVOICE_PAID, invoice_extractors.extract_invoice),
    "invoice.payment_succeeded": Row(EventKind.INVOICE_PAID, invoice_extractors.extract_invoice),
    # One payment of perhaps several: the invoice is paid only when `invoice.paid` says so, or a read does.
    "invoice_payment.paid": Row(
        EventKind.WAKE, invoice_extractors.extract_invoice_payment, "a payment of the invoice was made"
    ),
    "invoice.overpaid": Row(
        EventKind.OTHER, invoice_extractors.extract_invoice, "more was paid than was due: nothing to collect"
    ),
    "invoice.voided": Row(EventKind.INVOICE_VOIDED, invoice_extractors.extract_invoice),
    "invoice.marked_uncollectible": Row(EventKind.INVOICE_UNCOLLECTIBLE, invoice_extractors.extract_invoice),
    "invoice.overdue": Row(
        EventKind.OTHER, invoice_extractors.extract_invoice, "the invoice is overdue: nothing to do"
    ),
    "invoice.finalization_failed": Row(
        EventKind.OTHER, invoice_extractors.extract_invoice, "not finalised: nothing was charged"
    ),
    "credit_note.created": Row(EventKind.WAKE, invoice_extractors.extract_credit_note, "the invoice was credited"),
    "credit_note.voided": Row(
        EventKind.WAKE, invoice_extractors.extract_credit_note, "a credit of the invoice was taken back"
    ),
    "payment_intent.processing": Row(EventKind.WAKE, payment_extractors.extract_payment, "a payment is on its way"),
    "payment_intent.partially_funded": Row(
        EventKind.WAKE, payment_extractors.extract_payment, "a part of the money came"
    ),
    "payment_intent.payment_failed": Row(
        EventKind.OTHER, payment_extractors.extract_failed_payment, "told by invoice.payment_failed"
    ),
    "payment_intent.requires_action": Row(EventKind.OTHER, detail="told by invoice.payment_action_required"),
    "payment_intent.succeeded": Row(EventKind.OTHER, detail="told by invoice.paid"),
    "payment_intent.canceled": Row(EventKind.WAKE, payment_extractors.extract_payment, "a payment was given up"),
    "charge.failed": Row(EventKind.OTHER, payment_extractors.extract_failed_charge, "told by invoice.payment_failed"),
    "charge.pending": Row(EventKind.OTHER, detail="told by payment_intent.processing"),
    "charge.refunded": Row(EventKind.PAYMENT_REFUNDED, payment_extractors.extract_refunded_charge),
    "charge.refund.updated": Row(EventKind.OTHER, payment_extractors.extract_refund, "told by charge.refunded"),
    "refund.created": Row(EventKind.OTHER, payment_extractors.extract_refund, "told by charge.refunded"),
    "refund.updated": Row(EventKind.OTHER, payment_extractors.extract_refund, "told by charge.refunded"),
    "refund.failed": Row(EventKind.PAYMENT_RESTORED, payment_extractors.extract_failed_refund),
    "charge.dispute.created": Row(EventKind.DISPUTE_OPENED, payment_extractors.extract_dispute),
    "charge.dispute.updated": Row(EventKind.OTHER, payment_extractors.extract_updated_dispute),
    "charge.dispute.funds_withdrawn": Row(
        EventKind.OTHER, payment_extractors.extract_dispute_funds, "told by charge.dispute.created"
    ),
    "charge.dispute.funds_reinstated": Row(EventKind.PAYMENT_RESTORED, payment_extractors.extract_reinstated_funds),
    "charge.dispute.closed": Row(EventKind.OTHER, payment_extractors.extract_closed_dispute),
    "radar.early_fraud_warning.created": Row(EventKind.FRAUD_WARNING, payment_extractors.extract_fraud_warning),
    "radar.early_fraud_warning.updated": Row(EventKind.FRAUD_WARNING, payment_extractors.extract_fraud_warning),
    "customer.deleted": Row(EventKind.CUSTOMER_DELETED, method_extractors.extract_deleted_customer),
    "customer.subscription.deleted": Row(EventKind.SUBSCRIPTION_ENDED, invoice_extractors.extract_subscription),
    "customer.subscription.updated": Row(EventKind.OTHER, invoice_extractors.extract_updated_subscription),
    "customer.subscription.paused": Row(
        EventKind.OTHER, invoice_extractors.extract_subscription, "the subscription is paused"
    ),
    "customer.subscription.resumed": Row(
        EventKind.OTHER, invoice_extractors.extract_subscription, "the subscription is resumed"
    ),
    "customer.updated": Row(EventKind.METHOD_UPDATED, method_extractors.extract_updated_customer),
    "customer.source.created": Row(EventKind.METHOD_UPDATED, method_extractors.extract_attached_method),
    "customer.source.updated": Row(EventKind.METHOD_UPDATED, method_extractors.extract_changed_method),
    "payment_method.attached": Row(EventKind.METHOD_UPDATED, method_extractors.extract_attached_method),
    "payment_method.automatically_updated": Row(EventKind.METHOD_UPDATED, method_extractors.extract_changed_method),
    "payment_method.updated": Row(EventKind.METHOD_UPDATED, method_extractors.extract_changed_method),
    "payment_method.detached": Row(
        EventKind.OTHER, method_extractors.extract_detached_method, "a method was removed: nothing to do"
    ),
    "mandate.updated": Row(EventKind.OTHER, method_extractors.extract_mandate),
}
"""All event types that are used. If Stripe reports one fact in several events, one counts and the others name it."""
