"""Reads an invoice with all that a charge of it depends on, in few calls, in either shape, and puts it in our words."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.payments import InvoiceStatus, InvoiceView
from providers.fields import Fields, Unfit
from providers.stripe.api import Answer, StripeApi, path, refusal
from providers.stripe.asides import optional
from providers.stripe.cards import method_of
from providers.stripe.clocks import on_our_clock, shift_of
from providers.stripe.invoices import link_of, recurring, remaining, shown_subscription, subscription_of
from providers.stripe.methods import Defaults, defaults, unless_stored
from providers.stripe.payments import EMPTY, Payment, others_under_way, read_payment, read_payments
from providers.stripe.terms import terms_of

PAYMENTS: Final = ("payments",)
_SUBSCRIPTION: Final = "parent.subscription_details.subscription"
WHOLE: Final = (
    "payments.data.payment.payment_intent",
    "default_payment_method",
    "default_source",
    f"{_SUBSCRIPTION}.default_payment_method",
    f"{_SUBSCRIPTION}.default_source",
    "customer.invoice_settings.default_payment_method",
    "customer.default_source",
)
"""Four levels are Stripe's most (docs.stripe.com/api/expanding_objects)."""
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
class Claim:
    """An invoice with its subscription and customer: empty where there is none, None where it could not be read."""

    invoice: Fields
    payments: tuple[Fields, ...]
    subscription: Fields | None
    customer: Fields | None
    methods: Defaults
    shift: timedelta


async def read_claim(api: StripeApi, invoice_id: str, now: datetime) -> Claim | None:
    """The whole claim: one call where Stripe shows everything at once; None where it knows no such invoice.

    Raises ProviderUnavailable, and NotAllowed where the key may not read it.
    """
    invoice = await read_invoice(api, invoice_id, WHOLE)
    if invoice is None:
        return None
    subscription_id = subscription_of(invoice)
    subscription, customer, payments, shift = await asyncio.gather(
        _owner(api, shown_subscription(invoice), "subscriptions", subscription_id),
        _owner(api, invoice.expanded("customer"), "customers", invoice.id("customer")),
        read_payments(api, invoice),
        shift_of(api, invoice, now),
    )
    methods = await defaults(api, invoice, subscription, customer)
    return Claim(invoice, payments, subscription, customer, methods, shift)


async def _owner(api: StripeApi, shown: Fields, kind: str, object_id: str | None) -> Fields | None:
    """A subscription or customer: what was expanded, else by a call of its own."""
    if object_id is None:
        return EMPTY
    return Fields(shown.raw, shown.path, lenient=True) if shown else await optional(api, path(kind, object_id))


async def read_invoice(api: StripeApi, invoice_id: str, expand: tuple[str, ...] = PAYMENTS) -> Fields | None:
    """The invoice; None where Stripe knows none. Raises ProviderUnavailable, and NotAllowed.

    What a key may not expand, or a server doesn't know how to, is left out of it.
    """
    answer = await _least_expanded(api, path("invoices", invoice_id), expand)
    if answer.status == 404 or answer.fields.raw.get("deleted") is True:
        return None
    if answer.refused:
        raise refusal(answer, "the invoice")
    return checked(answer.fields, invoice_id)


async def _least_expanded(api: StripeApi, where: str, expand: tuple[str, ...]) -> Answer:
    """All of it, else the payments alone, else the plain object."""
    answer = await api.get(where, expand=list(expand))
    if expand != PAYMENTS and answer.status in {400, 403}:
        answer = await api.get(where, expand=list(PAYMENTS))
    return await api.get(where) if answer.status == 400 else answer


def checked(invoice: Fields, invoice_id: str) -> Fields:
    """The invoice, if it is one and this one. Raises Unfit."""
    if invoice.id("id") != invoice_id:
        raise Unfit("id")
    if invoice.code("status") not in _STATUSES:
        raise Unfit("status")
    return invoice


async def payment_of(api: StripeApi, invoice: Fields, payments: tuple[Fields, ...] | None = None) -> Payment:
    """The payment that matters of this invoice. Raises ProviderUnavailable."""
    known = await read_payments(api, invoice) if payments is None else payments
    return await read_payment(api, link_of(invoice, known))


async def read_view(api: StripeApi, invoice_id: str, now: datetime) -> InvoiceView:
    """The invoice as it is now, in our words and on our clock. Raises ProviderUnavailable, NotAllowed or Unfit."""
    claim = await read_claim(api, invoice_id, now)
    return missing_invoice(invoice_id) if claim is None else await view_of(api, claim)


async def view_of(api: StripeApi, claim: Claim) -> InvoiceView:
    """A claim in our words. Money that may be on its way must be seen before a charge: a refusal is raised."""
    payment, others = await asyncio.gather(
        read_payment(api, link_of(claim.invoice, claim.payments), needed=True),
        others_under_way(api, claim.invoice, claim.payments, needed=True),
    )
    return view(await with_payment(api, claim, payment), payment, await is_disputed(api, payment), others)


async def with_payment(api: StripeApi, claim: Claim, payment: Payment) -> Claim:
    """The claim with what its last payment tells of the methods. One of a deleted customer went with them."""
    if claim.customer is not None and claim.customer.flag("deleted"):
        return claim
    error = payment.intent.child("last_payment_error")
    charged_id = payment.charge.id("payment_method") or method_of(error).id("id")
    methods = await unless_stored(api, claim.methods, charged_id, claim.invoice.id("customer"))
    return replace(claim, methods=methods)


async def is_disputed(api: StripeApi, payment: Payment) -> bool | None:
    """Whether money is in dispute: a bank's inquiry sets the charge's mark, too, and moves none.

    Source: docs.stripe.com/disputes/how-disputes-work (inquiries), `Dispute.status` `warning_…`.
    """
    if not payment.charge.flag("disputed"):
        return payment.charge.flag("disputed")
    listed = await optional(api, path("disputes"), charge=payment.charge.need("id"))
    statuses = [one.code("status") or "" for one in listed.items("data")] if listed else []
    return not statuses or not all(status.startswith("warning_") for status in statuses)


def view(claim: Claim, payment: Payment, in_dispute: bool | None, others: bool) -> InvoiceView:
    """The invoice in our words. Raises Unfit."""
    invoice, amount = claim.invoice, remaining(claim.invoice)
    if amount is None:
        raise Unfit("amount_remaining")
    status = payment.charge.code("status")
    made = InvoiceView(
        invoice_id=invoice.need("id"),
        status=_STATUSES[invoice.code("status") or ""],
        amount_due=amount,
        amount_paid=invoice.whole("amount_paid"),
        currency=invoice.currency("currency") or "",
        customer_id=invoice.id("customer"),
        subscription_id=subscription_of(invoice),
        next_provider_attempt=invoice.moment("next_payment_attempt"),
        latest_charge_id=payment.charge.id("id") or payment.intent.id("latest_charge"),
        latest_charge_status=status if status in _CHARGE_STATUSES else None,
        processing=payment.processing or others,
        disputed=in_dispute or False,
        recurring_revenue=recurring(invoice),
        terms=terms_of(invoice, claim.subscription or EMPTY, claim.customer or EMPTY),
        methods_known=claim.methods.known,
        method=claim.methods.first,
        default_methods=claim.methods.ids,
    )
    return on_our_clock(made, claim.shift)


def missing_invoice(invoice_id: str) -> InvoiceView:
    """What is said of an invoice that Stripe doesn't know."""
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)
