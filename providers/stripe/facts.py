"""All that can be known about a failed payment, read in one go."""

import asyncio
from datetime import datetime

from core.payments import Card, CustomerView, EventKind, Failure, FailureFacts, ProviderEvent
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import StripeApi, path
from providers.stripe.asides import optional
from providers.stripe.cards import card_of_charge, card_of_error, card_of_method, cards_merged
from providers.stripe.clocks import customer_on_our_clock
from providers.stripe.invoices import Link, link_of
from providers.stripe.payments import Payment, others_under_way, read_payment
from providers.stripe.reading import Claim, is_disputed, missing_invoice, read_claim, view, with_payment


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
    in_dispute, claim = await asyncio.gather(is_disputed(api, payment), with_payment(api, claim, payment))
    return FailureFacts(
        invoice=view(claim, payment, in_dispute, others),
        failure=_failure(payment, told, event),
        card=_card(payment),
        customer=_customer_view(claim),
        risk=failures.risk_of(payment.charge, _warned(warnings), in_dispute),
        missing=(*payment.missing, *_unread(customer=claim.customer or None, early_warnings=warnings)),
    )


def _failure(payment: Payment, told: Failure, event: ProviderEvent | None) -> Failure:
    """What was read, then what was told. That the customer must act is believed unread: most times it is 3-D Secure."""
    unread = "payment" in payment.missing and event is not None and event.kind is EventKind.ACTION_REQUIRED
    asked = Failure(code=failures.AUTHENTICATION_REQUIRED) if unread else failures.NOTHING
    return failures.merged(failures.of_payment(payment.intent, payment.charge), told, asked)


async def _warnings(api: StripeApi, link: Link) -> Fields | None:
    if link.intent_id:
        return await optional(api, path("radar", "early_fraud_warnings"), payment_intent=link.intent_id)
    if link.charge_id:
        return await optional(api, path("radar", "early_fraud_warnings"), charge=link.charge_id)
    return None


def _warned(warnings: Fields | None) -> bool | None:
    """Whether an issuer warns of fraud and something can still be done about it; None where it was not read."""
    return None if warnings is None else any(warning.flag("actionable") for warning in warnings.items("data"))


def _card(payment: Payment) -> Card:
    """The card that was tried; of a payment that waits for the customer, what it waits for."""
    if needs_customer(payment.intent):
        awaited = Card(kind=kind_of_intent(payment.intent))
        return cards_merged(awaited, card_of_method(payment.intent.expanded("payment_method")))
    error = payment.intent.child("last_payment_error")
    return cards_merged(card_of_charge(payment.charge), card_of_error(error))


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
