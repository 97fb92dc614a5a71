"""Reads everything that Stripe has on a failed payment: invoice, payment, charge, methods, customer and risk."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from core.payments import Card, CustomerView, EventKind, Failure, FailureFacts, MethodKind, ProviderEvent
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import StripeApi, api_path, read_optional
from providers.stripe.cards import card_of_charge, card_of_error, card_of_method, merge_cards
from providers.stripe.invoice_reader import (
    ExpandedInvoice,
    build_invoice_view,
    customer_on_our_clock,
    is_disputed,
    missing_invoice,
    read_expanded_invoice,
    with_payment,
)
from providers.stripe.invoices import Link, link_of
from providers.stripe.methods import DefaultMethods, read_card
from providers.stripe.payments import EMPTY, Payment, has_others_under_way, read_payment

_UNPAID: Final = frozenset({"requires_payment_method", "requires_source"})
"""Statuses of an intent without a paid charge (`requires_source` before API version 2019-02-11)."""
_TRY_TRACES: Final = frozenset({"last_payment_error", "latest_charge"})
"""Fields of an intent that an attempt fills."""


async def read_failure(api: StripeApi, invoice_id: str, event: ProviderEvent | None, now: datetime) -> FailureFacts:
    """The invoice, its decline, card, customer and risk; `missing` names what the key may not read.

    The event's failure fills in codes that can't be read. Raises ProviderUnavailable, NotAllowed if the key may not
    read the invoice, and InvalidField.
    """
    told = event.failure if event and event.failure else failures.NO_FAILURE
    claim = await read_expanded_invoice(api, invoice_id, now)
    if claim is None:
        return FailureFacts(invoice=missing_invoice(invoice_id), failure=told, missing=("invoice",))
    link = link_of(claim.invoice, claim.payments)
    payment, others = await asyncio.gather(
        read_payment(api, link), has_others_under_way(api, claim.invoice, claim.payments)
    )
    failure = _merge_failure(payment, told, event)
    warnings, in_dispute, paid_with, card = await asyncio.gather(
        _read_fraud_warnings(api, link, payment.charge),
        is_disputed(api, payment),
        with_payment(api, claim, payment),
        _read_tried_card(api, payment, failure),
    )
    claim = replace(paid_with, methods=_default_methods(paid_with, payment, failure, card))
    return FailureFacts(
        invoice=build_invoice_view(claim, payment, in_dispute, others),
        failure=failure,
        card=card,
        customer=_customer_view(claim),
        risk=failures.risk_of_charge(payment.charge, _has_actionable_warning(warnings), in_dispute),
        missing=(*payment.missing, *_unread_parts(customer=claim.customer or None, early_warnings=warnings)),
    )


def _merge_failure(payment: Payment, told: Failure, event: ProviderEvent | None) -> Failure:
    """The failure as read, completed by the one that the event told.

    If an event says that the customer must act and the payment can't be read, 3-D Secure is assumed, the usual reason.
    """
    unread = "payment" in payment.missing and event is not None and event.kind is EventKind.ACTION_REQUIRED
    asked = Failure(code=failures.AUTHENTICATION_REQUIRED) if unread else failures.NO_FAILURE
    return failures.merge_failures(failures.failure_of_payment(payment.intent, payment.charge), told, asked)


def _default_methods(claim: ExpandedInvoice, payment: Payment, failure: Failure, card: Card) -> DefaultMethods:
    """The default methods, certain only if this payment doesn't contradict them."""
    if _was_never_tried(claim, payment, failure):
        return DefaultMethods(is_certain=True)
    if needs_customer(payment.intent) and card.kind not in {None, MethodKind.CARD}:
        # The payer was shown how to pay by other means: that is no default method of the customer.
        return replace(claim.methods, is_certain=False)
    return claim.methods


def _was_never_tried(claim: ExpandedInvoice, payment: Payment, failure: Failure) -> bool:
    """Whether the payment shows that there was nothing to charge: no charge, no error and no method anywhere.

    Absence must be stated, by the intent's own empty fields or by a customer without a default: a compatible server may
    leave fields out that are set.
    """
    intent = payment.intent
    if (
        intent.code("status") not in _UNPAID
        or claim.methods.methods
        or failure != failures.NO_FAILURE
        or payment.charge
    ):
        return False
    if any(intent.raw.get(name) for name in (*_TRY_TRACES, "payment_method")):
        return False
    settings = claim.customer.child("invoice_settings") if claim.customer else EMPTY
    return intent.raw.keys() >= _TRY_TRACES or "default_payment_method" in settings.raw


async def _read_fraud_warnings(api: StripeApi, link: Link, charge: Fields) -> Fields | None:
    """Issuers' warnings about the payment; none, unread, for a charge that failed.

    What a warning is about can be refunded while it is `actionable`; a failed charge can't.
    Source: docs.stripe.com/api/radar/early_fraud_warnings/object.
    """
    if charge.code("status") == "failed":
        return EMPTY
    if link.intent_id:
        return await read_optional(api, api_path("radar", "early_fraud_warnings"), payment_intent=link.intent_id)
    if link.charge_id:
        return await read_optional(api, api_path("radar", "early_fraud_warnings"), charge=link.charge_id)
    return None


def _has_actionable_warning(warnings: Fields | None) -> bool | None:
    """Whether an issuer warns of fraud and the payment can still be refunded (`actionable`); None if not read."""
    return None if warnings is None else any(warning.flag("actionable") for warning in warnings.items("data"))


async def _read_tried_card(api: StripeApi, payment: Payment, failure: Failure) -> Card:
    """The card or other method that was tried; for a payment that waits for the customer, the kind it waits for.

    The method itself is read only if neither charge nor error says of which kind it is.
    """
    asked = Card(kind=kind_of_intent(payment.intent))
    if needs_customer(payment.intent):
        return merge_cards(asked, card_of_method(payment.intent.expanded_object("payment_method")))
    error = payment.intent.child("last_payment_error")
    shown = merge_cards(card_of_charge(payment.charge), card_of_error(error))
    if shown.kind is None and not shown.fingerprint and failure.method_id:
        shown = merge_cards(shown, await read_card(api, failure.method_id) or Card())
    return merge_cards(shown, asked)


def _customer_view(claim: ExpandedInvoice) -> CustomerView | None:
    """The customer without names and addresses, which stay with Stripe; None if deleted or not readable."""
    customer = claim.customer
    customer_id = customer.id("id") if customer else None
    if customer is None or customer_id is None or customer.flag("deleted"):
        return None
    read = CustomerView(
        customer_id=customer_id,
        created_at=customer.unix_time("created"),
        country=customer.child("address").code("country"),
        time_zone=customer.child("metadata").code("time_zone"),
        default_method_id=customer.child("invoice_settings").id("default_payment_method")
        or customer.id("default_source"),
    )
    return customer_on_our_clock(read, claim.shift)


def _unread_parts(**parts: Fields | None) -> tuple[str, ...]:
    return tuple(name for name, part in parts.items() if part is None)
