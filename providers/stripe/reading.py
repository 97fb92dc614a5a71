"""Reads one invoice with its payment, in few calls and in either shape, and says it in our words."""

import asyncio
from dataclasses import dataclass
from typing import Final

from core.errors import ProviderUnavailable
from core.payments import InvoiceStatus, InvoiceView
from providers.fields import Fields, Unfit
from providers.stripe.api import Answer, StripeApi, path
from providers.stripe.invoices import Link, link_in, link_of, payments_left_out, recurring, remaining, subscription_of

_EMPTY: Final = Fields({})
_CHARGE_STATUSES: Final = frozenset({"succeeded", "failed", "pending"})
_STATUSES: Final = {
    "open": InvoiceStatus.OPEN,
    "paid": InvoiceStatus.PAID,
    "void": InvoiceStatus.VOID,
    "uncollectible": InvoiceStatus.UNCOLLECTIBLE,
    # A draft has no failed payment and can't be paid: for a recovery there is no such invoice.
    "draft": InvoiceStatus.MISSING,
}


@dataclass(frozen=True)
class Payment:
    """The payment of an invoice; what is not there or may not be read is empty."""

    intent: Fields = _EMPTY
    charge: Fields = _EMPTY
    missing: tuple[str, ...] = ()

    @property
    def processing(self) -> bool:
        """Whether Stripe itself doesn't know the result yet."""
        return self.intent.code("status") == "processing" or self.charge.code("status") == "pending"


async def read_invoice(api: StripeApi, invoice_id: str) -> Fields | None:
    """The invoice; None where Stripe knows none. Raises ProviderUnavailable."""
    answer = await api.get(path("invoices", invoice_id), expand=["payments"])
    if answer.status == 404 or answer.fields.raw.get("deleted") is True:
        return None
    if answer.refused:
        raise ProviderUnavailable(f"Stripe refuses to show the invoice: HTTP {answer.status}.")
    return checked(answer.fields, invoice_id)


def checked(invoice: Fields, invoice_id: str) -> Fields:
    """The invoice, if it is one and this one. Raises Unfit."""
    if invoice.id("id") != invoice_id:
        raise Unfit("id")
    if invoice.code("status") not in _STATUSES:
        raise Unfit("status")
    return invoice


async def find_link(api: StripeApi, invoice: Fields) -> Link:
    """The invoice's payment; asked for separately where the invoice left its payments out."""
    if not payments_left_out(invoice):
        return link_of(invoice)
    answer = await api.get(path("invoice_payments"), invoice=invoice.need("id"))
    paid = invoice.code("status") == "paid"
    return link_in(answer.fields.items("data"), paid) if answer.ok else Link()


async def read_payment(api: StripeApi, link: Link) -> Payment:
    """The intent and its latest charge. What Stripe refuses to show is named in `missing`.

    Raises ProviderUnavailable: without an answer nobody knows whether a payment is under way.
    """
    if not link:
        return Payment(missing=("payment",))
    if link.intent_id is None:
        return await _with_charge(api, _EMPTY, link.charge_id)
    answer = await api.get(path("payment_intents", link.intent_id), expand=["latest_charge"])
    if answer.refused:
        return Payment(missing=("payment",))
    intent = answer.fields
    charge = intent.expanded("latest_charge")
    return Payment(intent, charge) if charge else await _with_charge(api, intent, intent.id("latest_charge"))


async def _with_charge(api: StripeApi, intent: Fields, charge_id: str | None) -> Payment:
    if charge_id is None:
        return Payment(intent)
    answer = await api.get(path("charges", charge_id))
    return Payment(intent, answer.fields) if answer.ok else Payment(intent, missing=("charge",))


def view(invoice: Fields, payment: Payment) -> InvoiceView:
    """The invoice in our words. Raises Unfit."""
    amount = remaining(invoice)
    if amount is None:
        raise Unfit("amount_remaining")
    status = payment.charge.code("status")
    return InvoiceView(
        invoice_id=invoice.need("id"),
        status=_STATUSES[invoice.code("status") or ""],
        amount_due=amount,
        currency=invoice.currency("currency") or "",
        customer_id=invoice.id("customer"),
        subscription_id=subscription_of(invoice),
        next_provider_attempt=invoice.moment("next_payment_attempt"),
        latest_charge_id=payment.charge.id("id") or payment.intent.id("latest_charge"),
        latest_charge_status=status if status in _CHARGE_STATUSES else None,
        processing=payment.processing,
        disputed=payment.charge.flag("disputed") or False,
        recurring_revenue=recurring(invoice),
    )


def missing_invoice(invoice_id: str) -> InvoiceView:
    """What is said of an invoice that Stripe doesn't know."""
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)


async def optional(api: StripeApi, where: str, **params: object) -> Fields | None:
    """A read that nothing depends on: None, whatever went wrong with it."""
    try:
        async with asyncio.timeout(api.aside_seconds):
            answer: Answer = await api.get(where, **params)
    except (ProviderUnavailable, TimeoutError):
        return None
    return Fields(answer.body or {}, lenient=True) if answer.ok else None
