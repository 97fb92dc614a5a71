"""Reads an invoice with everything that decides about a charge: payments, subscription, customer, default methods.

Objects on one of Stripe's test clocks have times of their own (docs.stripe.com/billing/testing/test-clocks); they are
shifted so that the clock's present is ours.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.payments import CustomerView, InvoiceStatus, InvoiceView
from providers.fields import Fields, InvalidField
from providers.stripe.api import Answer, StripeApi, api_path, read_optional, refusal_error
from providers.stripe.cards import method_of_error
from providers.stripe.invoices import (
    amount_remaining,
    due_since,
    expanded_subscription,
    link_of,
    recurring_revenue,
    subscription_of,
    terms_of_invoice,
)
from providers.stripe.methods import DefaultMethods, defaults_unless_stored, read_default_methods
from providers.stripe.payments import (
    EMPTY,
    Payment,
    has_others_under_way,
    read_payment,
    read_payment_state,
    read_payments,
)

NO_SHIFT: Final = timedelta(0)
"""The shift of what happens in real time."""


async def read_clock_shift(api: StripeApi, invoice: Fields, now: datetime) -> timedelta:
    """What to add to the invoice's times so that its test clock's present becomes `now`; zero without a test clock.

    A clock that can't be read is assumed to stand where the invoice became due.
    """
    clock_id = invoice.id("test_clock")
    if clock_id is None:
        return NO_SHIFT
    clock = invoice.expanded_object("test_clock") or await read_optional(
        api, api_path("test_helpers", "test_clocks", clock_id)
    )
    frozen = clock.unix_time("frozen_time") if clock else None
    present = frozen or due_since(invoice)
    return now - present if present else NO_SHIFT


def invoice_on_our_clock(view: InvoiceView, shift: timedelta) -> InvoiceView:
    """The invoice with its times shifted from its test clock to real time."""
    if shift == NO_SHIFT:
        return view
    terms = view.terms.model_copy(update={"created_at": _shift_moment(view.terms.created_at, shift)})
    return view.model_copy(
        update={"terms": terms, "next_provider_attempt": _shift_moment(view.next_provider_attempt, shift)}
    )


def customer_on_our_clock(customer: CustomerView, shift: timedelta) -> CustomerView:
    """The customer with the creation time shifted from a test clock to real time."""
    return customer.model_copy(update={"created_at": _shift_moment(customer.created_at, shift)})


def _shift_moment(moment: datetime | None, shift: timedelta) -> datetime | None:
    return moment + shift if moment else None


EXPAND_PAYMENTS: Final = ("payments",)
EXPAND_INTENTS: Final = ("payments.data.payment.payment_intent",)
_SUBSCRIPTION: Final = "parent.subscription_details.subscription"
EXPAND_ALL: Final = (
    *EXPAND_INTENTS,
    "default_payment_method",
    "default_source",
    f"{_SUBSCRIPTION}.default_payment_method",
    f"{_SUBSCRIPTION}.default_source",
    "customer.invoice_settings.default_payment_method",
    "customer.default_source",
)
"""What the one read before a charge expands; Stripe allows four levels (docs.stripe.com/api/expanding_objects).

A list's `data` is a level (github.com/stripe/stripe-java/issues/2011), so an intent's charge would be the fifth.
"""
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
class ExpandedInvoice:
    """An invoice with its payments, default methods, subscription and customer.

    Subscription and customer are empty if there is none, and None if they could not be read.
    """

    invoice: Fields
    payments: tuple[Fields, ...]
    subscription: Fields | None
    customer: Fields | None
    methods: DefaultMethods
    shift: timedelta


async def read_expanded_invoice(api: StripeApi, invoice_id: str, now: datetime) -> ExpandedInvoice | None:
    """The invoice with all it depends on, in one call if Stripe expands everything; None if there is no such invoice.

    Raises ProviderUnavailable, NotAllowed if the key may not read the invoice or its payments, and InvalidField.
    """
    invoice = await read_invoice(api, invoice_id, EXPAND_ALL)
    if invoice is None:
        return None
    subscription_id = subscription_of(invoice)
    subscription, customer, payments, shift = await asyncio.gather(
        _read_owner(api, expanded_subscription(invoice), "subscriptions", subscription_id),
        _read_owner(api, invoice.expanded_object("customer"), "customers", invoice.id("customer")),
        read_payments(api, invoice),
        read_clock_shift(api, invoice, now),
    )
    methods = await read_default_methods(api, invoice, subscription, customer)
    return ExpandedInvoice(invoice, payments, subscription, customer, methods, shift)


async def _read_owner(api: StripeApi, shown: Fields, kind: str, object_id: str | None) -> Fields | None:
    """A subscription or customer: expanded, else read by a call of its own; None if that fails, empty without an id."""
    if object_id is None:
        return EMPTY
    return shown.leniently() if shown else await read_optional(api, api_path(kind, object_id))


async def read_invoice(api: StripeApi, invoice_id: str, expand: tuple[str, ...] = EXPAND_PAYMENTS) -> Fields | None:
    """The invoice; None if Stripe has none, or it was deleted.

    What the key may not expand is left out of it. Raises ProviderUnavailable, NotAllowed if the key may not read the
    invoice, and InvalidField if the answer isn't this invoice.
    """
    answer = await _fetch_expanded(api, api_path("invoices", invoice_id), expand)
    if answer.status == 404 or answer.fields.raw.get("deleted") is True:
        return None
    if answer.is_refused:
        raise refusal_error(answer, "the invoice")
    return require_invoice(answer.fields, invoice_id)


async def _fetch_expanded(api: StripeApi, where: str, expand: tuple[str, ...]) -> Answer:
    """The object with `expand`, else with its payments alone, else plain."""
    answer = await api.get(where, expand=list(expand))
    # A restricted key that lacks one permission gets 403 for the whole call; a server that can't expand answers 400.
    if expand != EXPAND_PAYMENTS and answer.status in {400, 403}:
        answer = await api.get(where, expand=list(EXPAND_PAYMENTS))
    return await api.get(where) if answer.status == 400 else answer


def require_invoice(invoice: Fields, invoice_id: str) -> Fields:
    """The invoice itself. Raises InvalidField if it has another id or an unknown status."""
    if invoice.id("id") != invoice_id:
        raise InvalidField("id")
    if invoice.code("status") not in _STATUSES:
        raise InvalidField("status")
    return invoice


async def read_main_payment(api: StripeApi, invoice: Fields, payments: tuple[Fields, ...] | None = None) -> Payment:
    """The payment that decides about this invoice (`link_of`). Raises ProviderUnavailable, NotAllowed, InvalidField."""
    known = await read_payments(api, invoice) if payments is None else payments
    return await read_payment(api, link_of(invoice, known))


async def read_invoice_view(api: StripeApi, invoice_id: str, now: datetime) -> InvoiceView:
    """The invoice as it is now; MISSING if Stripe has none. Raises ProviderUnavailable, NotAllowed or InvalidField."""
    claim = await read_expanded_invoice(api, invoice_id, now)
    return missing_invoice(invoice_id) if claim is None else await view_expanded_invoice(api, claim)


async def view_expanded_invoice(api: StripeApi, claim: ExpandedInvoice) -> InvoiceView:
    """The view that is checked before a charge. Raises ProviderUnavailable, NotAllowed or InvalidField.

    Unlike the read of a failure it requires the payments: one that is under way must be seen, or it is paid twice.
    """
    payment, others = await asyncio.gather(
        read_payment_state(api, claim.payments, link_of(claim.invoice, claim.payments)),
        has_others_under_way(api, claim.invoice, claim.payments, needed=True),
    )
    return build_invoice_view(await with_payment(api, claim, payment), payment, await is_disputed(api, payment), others)


async def with_payment(api: StripeApi, claim: ExpandedInvoice, payment: Payment) -> ExpandedInvoice:
    """The invoice with its default methods corrected by the method of the last payment.

    Unchanged for a deleted customer, whose methods were deleted too.
    """
    if claim.customer is not None and claim.customer.flag("deleted"):
        return claim
    error = payment.intent.child("last_payment_error")
    charged_id = payment.charge.id("payment_method") or method_of_error(error).id("id")
    methods = await defaults_unless_stored(api, claim.methods, charged_id, claim.invoice.id("customer"))
    return replace(claim, methods=methods)


async def is_disputed(api: StripeApi, payment: Payment) -> bool | None:
    """Whether money is in dispute; None if the charge wasn't read. Raises InvalidField for a charge without an id.

    Source: docs.stripe.com/disputes/how-disputes-work (inquiries), `Dispute.status` `warning_…`.
    """
    if not payment.charge.flag("disputed"):
        return payment.charge.flag("disputed")
    # A bank's inquiry sets the charge's mark too, but moves no money. Disputes that can't be read count as disputes.
    listed = await read_optional(api, api_path("disputes"), charge=payment.charge.require_id("id"))
    statuses = [one.code("status") or "" for one in listed.items("data")] if listed else []
    return not statuses or not all(status.startswith("warning_") for status in statuses)


def build_invoice_view(claim: ExpandedInvoice, payment: Payment, in_dispute: bool | None, others: bool) -> InvoiceView:
    """The provider-neutral invoice, amounts in minor units. Raises InvalidField, also without an open amount."""
    invoice, amount = claim.invoice, amount_remaining(claim.invoice)
    if amount is None:
        raise InvalidField("amount_remaining")
    status = payment.charge_status
    made = InvoiceView(
        invoice_id=invoice.require_id("id"),
        status=_STATUSES[invoice.code("status") or ""],
        amount_due=amount,
        amount_paid=invoice.integer("amount_paid"),
        currency=invoice.currency("currency") or "",
        customer_id=invoice.id("customer"),
        subscription_id=subscription_of(invoice),
        next_provider_attempt=invoice.unix_time("next_payment_attempt"),
        latest_charge_id=payment.charge.id("id") or payment.intent.id("latest_charge"),
        latest_charge_status=status if status in _CHARGE_STATUSES else None,
        processing=payment.is_processing or others,
        disputed=in_dispute or False,
        recurring_revenue=recurring_revenue(invoice),
        terms=terms_of_invoice(invoice, claim.subscription or EMPTY, claim.customer or EMPTY),
        methods_known=claim.methods.is_certain,
        method=claim.methods.effective_method,
        default_methods=claim.methods.method_ids,
    )
    return invoice_on_our_clock(made, claim.shift)


def missing_invoice(invoice_id: str) -> InvoiceView:
    """The view of an invoice that Stripe doesn't have."""
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)
