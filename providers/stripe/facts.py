"""All that can be known about a failed payment, read in one go."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from core.payments import Card, CustomerView, EventKind, Failure, FailureFacts, MethodKind, ProviderEvent
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import StripeApi, path
from providers.stripe.asides import optional
from providers.stripe.cards import card_of_charge, card_of_error, card_of_method, cards_merged
from providers.stripe.clocks import customer_on_our_clock
from providers.stripe.invoices import Link, link_of
from providers.stripe.methods import Defaults, read_card
from providers.stripe.payments import EMPTY, Payment, others_under_way, read_payment
from providers.stripe.reading import Claim, is_disputed, missing_invoice, read_claim, view, with_payment

_UNPAID: Final = frozenset({"requires_payment_method", "requires_source"})
"""The second name is of API versions before 2019."""
_TRACES: Final = frozenset({"last_payment_error", "latest_charge"})
"""What a try leaves in an intent."""


async def read_failure(api: StripeApi, invoice_id: str, event: ProviderEvent | None, now: datetime) -> FailureFacts:
    """The invoice, its decline, card, customer and risk. Raises ProviderUnavailable or Unfit."""
    told = event.failure if event and event.failure else failures.NOTHING
    claim = await read_claim(api, invoice_id, now)
    if claim is None:
        return FailureFacts(invoice=missing_invoice(invoice_id), failure=told, missing=("invoice",))
    link = link_of(claim.invoice, claim.payments)
    payment, others, warnings = await asyncio.gather(
        read_payment(api, link), others_under_way(api, claim.invoice, claim.payments), _warnings(api, link)
    )
    failure = _failure(payment, told, event)
    in_dispute, paid_with, card = await asyncio.gather(
        is_disputed(api, payment), with_payment(api, claim, payment), _card(api, payment, failure)
    )
    claim = replace(paid_with, methods=_methods(paid_with, payment, failure, card))
    return FailureFacts(
        invoice=view(claim, payment, in_dispute, others),
        failure=failure,
        card=card,
        customer=_customer_view(claim),
        risk=failures.risk_of(payment.charge, _warned(warnings), in_dispute),
        missing=(*payment.missing, *_unread(customer=claim.customer or None, early_warnings=warnings)),
    )


def _failure(payment: Payment, told: Failure, event: ProviderEvent | None) -> Failure:
    """What was read, then what was told. That the customer must act is believed unread: most times it is 3-D Secure."""
    unread = "payment" in payment.missing and event is not None and event.kind is EventKind.ACTION_REQUIRED
    asked = Failure(code=failures.AUTHENTICATION_REQUIRED) if unread else failures.NOTHING
    return failures.merged(failures.of_payment(payment.intent, payment.charge), told, asked)


def _methods(claim: Claim, payment: Payment, failure: Failure, card: Card) -> Defaults:
    """The defaults, as far as this payment tells what the next charge would take."""
    if _never_tried(claim, payment, failure):
        return Defaults(known=True)
    if needs_customer(payment.intent) and card.kind not in {None, MethodKind.CARD}:
        return replace(claim.methods, known=False)  # the payer was told how to pay, and that is no default
    return claim.methods


def _never_tried(claim: Claim, payment: Payment, failure: Failure) -> bool:
    """Whether the payment shows that there was nothing to try: neither charge nor error, and nobody names a method.

    It must have been said: by the intent itself, or by a customer without a default.
    """
    intent = payment.intent
    if intent.code("status") not in _UNPAID or claim.methods.found or failure != failures.NOTHING or payment.charge:
        return False
    if any(intent.raw.get(name) for name in (*_TRACES, "payment_method")):
        return False
    settings = claim.customer.child("invoice_settings") if claim.customer else EMPTY
    return intent.raw.keys() >= _TRACES or "default_payment_method" in settings.raw


async def _warnings(api: StripeApi, link: Link) -> Fields | None:
    if link.intent_id:
        return await optional(api, path("radar", "early_fraud_warnings"), payment_intent=link.intent_id)
    if link.charge_id:
        return await optional(api, path("radar", "early_fraud_warnings"), charge=link.charge_id)
    return None


def _warned(warnings: Fields | None) -> bool | None:
    """Whether an issuer warns of fraud and something can still be done about it; None where it was not read."""
    return None if warnings is None else any(warning.flag("actionable") for warning in warnings.items("data"))


async def _card(api: StripeApi, payment: Payment, failure: Failure) -> Card:
    """The card that was tried, or what was in its place; of a payment that waits for the customer, what it waits for.

    The method is asked for where neither charge nor error says of which kind it is.
    """
    asked = Card(kind=kind_of_intent(payment.intent))
    if needs_customer(payment.intent):
        return cards_merged(asked, card_of_method(payment.intent.expanded("payment_method")))
    error = payment.intent.child("last_payment_error")
    shown = cards_merged(card_of_charge(payment.charge), card_of_error(error))
    if shown.kind is None and not shown.fingerprint and failure.method_id:
        shown = cards_merged(shown, await read_card(api, failure.method_id) or Card())
    return cards_merged(shown, asked)


def _customer_view(claim: Claim) -> CustomerView | None:
    """Facts only: names and addresses stay with Stripe. A deleted customer has none."""
    customer = claim.customer
    customer_id = customer.id("id") if customer else None
    if customer is None or customer_id is None or customer.flag("deleted"):
        return None
    read = CustomerView(
        customer_id=customer_id,
        created_at=customer.moment("created"),
        country=customer.child("address").code("country"),
        time_zone=customer.child("metadata").code("time_zone"),
        default_method_id=customer.child("invoice_settings").id("default_payment_method")
        or customer.id("default_source"),
    )
    return customer_on_our_clock(read, claim.shift)


def _unread(**parts: Fields | None) -> tuple[str, ...]:
    return tuple(name for name, part in parts.items() if part is None)
