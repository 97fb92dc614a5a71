"""All that can be known about a failed payment, read in one go."""

import asyncio

from core.payments import Card, CustomerView, FailureFacts, ProviderEvent
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.api import StripeApi, path
from providers.stripe.invoices import Link
from providers.stripe.reading import (
    Payment,
    find_link,
    missing_invoice,
    optional,
    read_invoice,
    read_payment,
    view,
)


async def read_failure(api: StripeApi, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
    """The invoice, its decline, card, customer and risk. Raises ProviderUnavailable or Unfit."""
    told = event.failure if event and event.failure else failures.NOTHING
    invoice = await read_invoice(api, invoice_id)
    if invoice is None:
        return FailureFacts(invoice=missing_invoice(invoice_id), failure=told, missing=("invoice",))
    link = await find_link(api, invoice)
    payment, customer, warnings = await asyncio.gather(
        read_payment(api, link), _customer(api, invoice), _warnings(api, link)
    )
    read = failures.of_payment(payment.intent, payment.charge)
    return FailureFacts(
        invoice=view(invoice, payment),
        failure=failures.merged(read, told),
        card=_card(payment),
        customer=_customer_view(customer) if customer else None,
        risk=failures.risk_of(payment.charge, _warned(warnings)),
        missing=(*payment.missing, *_unread(customer=customer, early_warnings=warnings)),
    )


async def _customer(api: StripeApi, invoice: Fields) -> Fields | None:
    customer_id = invoice.id("customer")
    return await optional(api, path("customers", customer_id)) if customer_id else None


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
    charged = failures.card_of_charge(payment.charge)
    return failures.cards_merged(charged, failures.card_of(payment.intent.child("last_payment_error")))


def _customer_view(customer: Fields) -> CustomerView | None:
    """Facts only: names and addresses stay with Stripe. A deleted customer has none."""
    customer_id = customer.id("id")
    if customer_id is None:
        return None
    return CustomerView(
        customer_id=customer_id,
        created_at=customer.moment("created"),
        country=customer.child("address").code("country"),
        time_zone=customer.child("metadata").code("time_zone"),
        default_method_id=customer.child("invoice_settings").id("default_payment_method")
        or customer.id("default_source"),
    )


def _unread(**parts: Fields | None) -> tuple[str, ...]:
    return tuple(name for name, part in parts.items() if part is None)
