"""The customer's contact, read when a message is sent. Braintree has no page where an invoice can be paid."""

from collections.abc import Mapping
from typing import Any, Final

from core.messages.recipients import Contact, MessageRecipient
from core.payments import InvoiceStatus, InvoiceView
from providers.braintree.api import BraintreeApi
from providers.braintree.invoices import find_invoice
from providers.braintree.methods import country_of
from providers.braintree.vault import read_vault

_LONGEST: Final = 320
"""Characters of the longest e-mail address: 64 before the @, 255 after it (RFC 5321, section 4.5.3.1)."""


async def read_customer_contact(api: BraintreeApi, invoice_id: str, customer_id: str | None) -> MessageRecipient:
    """The invoice as it is now and its customer's contact, in two or three calls; no contact if nobody is found.

    Raises ProviderUnavailable, NotAllowed and InvalidField.
    """
    invoice = await find_invoice(api, invoice_id)
    if invoice is None:
        return MessageRecipient(invoice=InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING))
    vault = await read_vault(api, invoice, customer_id)
    contact = contact_of_customer(vault.customer) if vault.customer else None
    return MessageRecipient(invoice=vault.apply_to(invoice.to_view()), contact=contact)


def contact_of_customer(customer: Any) -> Contact:
    """The contact of a customer as the client returns it.

    Braintree has no fields for language and time zone; a merchant's custom fields of these names are used.
    """
    custom = getattr(customer, "custom_fields", None)
    more: Mapping[str, Any] = custom if isinstance(custom, Mapping) else {}
    names = (_text_of(customer, "first_name"), _text_of(customer, "last_name"))
    return Contact(
        email=_text_of(customer, "email"),
        name=" ".join(name for name in names if name) or _text_of(customer, "company"),
        phone=_text_of(customer, "phone"),
        language=_bounded_text(more.get("language")) or _bounded_text(more.get("locale")),
        country=_customer_country(customer),
        time_zone=_bounded_text(more.get("time_zone")),
    )


def _customer_country(customer: Any) -> str | None:
    """The country of the default method's billing address, else of the first address that has one."""
    methods = sorted(_list_of(customer, "payment_methods"), key=lambda one: not getattr(one, "default", False))
    billed = [getattr(one, "billing_address", None) for one in methods]
    found = (country_of(_text_of(one, "country_code_alpha2")) for one in (*billed, *_list_of(customer, "addresses")))
    return next((code for code in found if code), None)


def _list_of(thing: Any, name: str) -> list[Any]:
    found = getattr(thing, name, None)
    return found if isinstance(found, list) else []


def _text_of(thing: Any, name: str) -> str | None:
    """A text of an object, or of a dict, as which the client returns some parts."""
    return _bounded_text(thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None))


def _bounded_text(value: object) -> str | None:
    """A free text from outside, if it is a text of 1 to `_LONGEST` characters."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
