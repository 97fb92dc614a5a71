"""The customer's contact and the page where the invoice can be paid: read when a message is sent, and only then."""

from datetime import datetime
from typing import Final

from core.messages.recipients import Contact, MessageRecipient
from providers.fields import Fields
from providers.stripe.api import StripeApi, api_path, read_optional
from providers.stripe.invoice_reader import missing_invoice, read_expanded_invoice, view_expanded_invoice

_LONGEST: Final = 320
"""Characters of the longest e-mail address: 64 before the @, 255 after it (RFC 5321, section 4.5.3.1)."""


async def read_invoice_contact(
    api: StripeApi, invoice_id: str, customer_id: str | None, now: datetime
) -> MessageRecipient:
    """The invoice as before a charge, and its customer's contact; no contact for a missing invoice or deleted customer.

    A field that the customer lacks is taken from the invoice. Raises ProviderUnavailable, NotAllowed if the key may not
    read the invoice, and InvalidField.
    """
    claim = await read_expanded_invoice(api, invoice_id, now)
    if claim is None:
        return MessageRecipient(invoice=missing_invoice(invoice_id))
    found = await view_expanded_invoice(api, claim)
    if found.terms.customer_deleted:
        return MessageRecipient(invoice=found)
    customer = claim.customer
    if not customer and customer_id and claim.invoice.id("customer") is None:
        customer = await read_optional(api, api_path("customers", customer_id))
    return MessageRecipient(invoice=found, contact=_build_contact(customer or Fields({}), claim.invoice))


def _build_contact(customer: Fields, invoice: Fields) -> Contact:
    locales = customer.raw.get("preferred_locales")
    billed = Fields(invoice.raw, lenient=True).child("customer_address")
    return Contact(
        email=_bounded_text(customer.raw.get("email")) or _bounded_text(invoice.raw.get("customer_email")),
        name=_bounded_text(customer.raw.get("name")) or _bounded_text(invoice.raw.get("customer_name")),
        phone=_bounded_text(customer.raw.get("phone")),
        language=_bounded_text(locales[0]) if isinstance(locales, list) and locales else None,
        country=customer.child("address").code("country") or billed.code("country"),
        time_zone=customer.child("metadata").code("time_zone"),
        link=_bounded_text(invoice.raw.get("hosted_invoice_url"), 2_000),
        # Stripe gives an invoice its number when it is finalized: the one that customers see in mails and PDFs.
        invoice_number=_bounded_text(invoice.raw.get("number"), 100),
    )


def _bounded_text(value: object, longest: int = _LONGEST) -> str | None:
    """A free text from outside, if it is a text of 1 to `longest` characters."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None
