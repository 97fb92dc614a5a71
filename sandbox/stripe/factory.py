"""A ready-made failed payment: all its objects, consistent with each other."""

from dataclasses import dataclass

from sandbox import models
from sandbox.models import Document
from sandbox.stripe import charges, documents, invoice_documents
from sandbox.stripe.models import FailedInvoice, FailedInvoiceIds


@dataclass(frozen=True)
class FailedPayment:
    """The objects of one failed payment, as the newer API shows them."""

    customer: Document
    payment_method: Document
    invoice: Document
    payment_intent: Document
    invoice_payment: Document
    charge: Document | None
    subscription: Document | None

    def to_ids(self, event_id: str) -> FailedInvoiceIds:
        """The ids alone."""
        return FailedInvoiceIds(
            invoice=self.invoice["id"],
            customer=self.customer["id"],
            payment_method=self.payment_method["id"],
            payment_intent=self.payment_intent["id"],
            charge=self.charge["id"] if self.charge else None,
            invoice_payment=self.invoice_payment["id"],
            subscription=self.subscription["id"] if self.subscription else None,
            event=event_id,
        )


def build_failed_payment(spec: FailedInvoice, now: int, owner: Document | None = None) -> FailedPayment:
    """Build it; `owner` is an existing customer, whose new default method this becomes."""
    moment = spec.created if spec.created is not None else now
    customer = owner or _build_customer(spec, moment)
    method = _build_method(spec, customer, moment)
    if not spec.no_method:
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    customer["delinquent"] = True
    invoice = _build_invoice(spec, customer, moment) | spec.invoice_fields
    intent = invoice_documents.build_payment_intent(invoice, moment) | {"payment_method_types": [spec.method_type]}
    untried = spec.requires_action or spec.no_method
    charge = None if untried else charges.build_declined_charge(intent, method, spec, moment)
    if charge:
        intent |= _failure_fields(spec, charge, method)
    elif spec.requires_action:
        intent |= invoice_documents.requires_action_fields(method, spec.next_action)
    link = invoice_documents.build_invoice_payment(invoice, intent, moment)
    subscription = _build_subscription(spec, invoice, moment)
    return FailedPayment(customer, method, invoice, intent, link, charge, subscription)


def _build_customer(spec: FailedInvoice, now: int) -> Document:
    since = now if spec.customer_created is None else spec.customer_created
    made = documents.build_customer(spec.customer_id or models.new_object_id("cus"), since, spec.livemode)
    address = documents.build_address(spec.country) if spec.country else None
    known = {"email": spec.email, "name": spec.name, "metadata": dict(spec.customer_metadata)}
    return made | known | {"address": address, "currency": spec.currency, "test_clock": spec.test_clock}


def _build_method(spec: FailedInvoice, customer: Document, now: int) -> Document:
    name = spec.payment_method_id or models.new_object_id("pm")
    made = documents.build_payment_method(name, spec.card, now, spec.livemode, spec.method_type)
    made["billing_details"] = documents.billing_details(customer["email"], customer["name"], spec.country)
    return made | {"customer": None if spec.no_method else customer["id"]}


def _build_invoice(spec: FailedInvoice, customer: Document, now: int) -> Document:
    made = invoice_documents.build_invoice(
        spec.invoice_id or models.new_object_id("in"), customer, spec.amount, spec.currency, now
    )
    made |= {"attempt_count": spec.attempt_count, "attempted": spec.attempt_count > 0}
    made |= {"auto_advance": spec.auto_advance, "next_payment_attempt": spec.next_payment_attempt}
    made |= {"metadata": dict(spec.metadata), "livemode": spec.livemode}
    if spec.subscription:
        named = spec.subscription if isinstance(spec.subscription, str) else models.new_object_id("sub")
        made |= {"billing_reason": "subscription_cycle", "parent": invoice_documents.subscription_parent(named, {})}
    return invoice_documents.finalize_draft(made, now)


def _failure_fields(spec: FailedInvoice, charge: Document, method: Document) -> Document:
    error = charges.payment_error(spec, charge["id"], method)
    return {"last_payment_error": error, "latest_charge": charge["id"]}


def _build_subscription(spec: FailedInvoice, invoice: Document, now: int) -> Document | None:
    if invoice["parent"] is None:
        return None
    name = invoice["parent"]["subscription_details"]["subscription"]
    made = documents.build_subscription(name, invoice["customer"], invoice["id"], now)
    return made | {"test_clock": invoice["test_clock"]} | spec.subscription_fields
