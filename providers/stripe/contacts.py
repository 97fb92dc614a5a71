"""The customer as a person, and the page where the invoice can be paid: read for a message, for nothing else."""

from typing import Final

from core.messages.contact import Contact, Reached
from providers.fields import Fields
from providers.stripe.api import StripeApi, path
from providers.stripe.reading import Payment, missing_invoice, optional, read_invoice, view

_LONGEST: Final = 320
"""Characters of an e-mail address at most."""


async def read_contact(api: StripeApi, invoice_id: str, customer_id: str | None) -> Reached:
    """Two calls. What the customer's object doesn't say, the invoice may. Raises ProviderUnavailable or Unfit."""
    invoice = await read_invoice(api, invoice_id)
    if invoice is None:
        return Reached(invoice=missing_invoice(invoice_id))
    known = invoice.id("customer") or customer_id
    customer = await optional(api, path("customers", known)) if known else None
    found = view(invoice, Payment())
    if customer and customer.flag("deleted"):
        terms = found.terms.model_copy(update={"customer_deleted": True})
        return Reached(invoice=found.model_copy(update={"terms": terms}))
    return Reached(invoice=found, contact=_contact(customer or Fields({}), invoice))


def _contact(customer: Fields, invoice: Fields) -> Contact:
    locales = customer.raw.get("preferred_locales")
    return Contact(
        email=_text(customer.raw.get("email")) or _text(invoice.raw.get("customer_email")),
        name=_text(customer.raw.get("name")) or _text(invoice.raw.get("customer_name")),
        phone=_text(customer.raw.get("phone")),
        language=_text(locales[0]) if isinstance(locales, list) and locales else None,
        country=customer.child("address").code("country"),
        time_zone=customer.child("metadata").code("time_zone"),
        link=_text(invoice.raw.get("hosted_invoice_url"), 2_000),
    )


def _text(value: object, longest: int = _LONGEST) -> str | None:
    """Somebody else's free text, if it is one of a sensible length."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None
