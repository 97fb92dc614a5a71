"""The customer as a person: read for a message alone. Braintree has no page where an invoice can be paid."""

from collections.abc import Mapping
from typing import Any, Final

from core.messages.contact import Contact, Reached
from core.payments import InvoiceStatus, InvoiceView
from providers.braintree.api import BraintreeApi
from providers.braintree.invoices import find
from providers.braintree.methods import country_of
from providers.braintree.vault import look

_LONGEST: Final = 320
"""Characters of an e-mail address at most."""


async def read_contact(api: BraintreeApi, invoice_id: str, customer_id: str | None) -> Reached:
    """Two or three calls: the invoice, then whose it is. Raises ProviderUnavailable, Unfit."""
    invoice = await find(api, invoice_id)
    if invoice is None:
        return Reached(invoice=InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING))
    vault = await look(api, invoice, customer_id)
    contact = contact_of(vault.customer) if vault.customer else None
    return Reached(invoice=vault.on(invoice.view()), contact=contact)


def contact_of(customer: Any) -> Contact:
    """A customer of the client in our words.

    Braintree knows no language and no time zone: a merchant's custom fields may.
    """
    custom = getattr(customer, "custom_fields", None)
    more: Mapping[str, Any] = custom if isinstance(custom, Mapping) else {}
    names = (_text(customer, "first_name"), _text(customer, "last_name"))
    return Contact(
        email=_text(customer, "email"),
        name=" ".join(name for name in names if name) or _text(customer, "company"),
        phone=_text(customer, "phone"),
        language=_fitting(more.get("language")) or _fitting(more.get("locale")),
        country=_country(customer),
        time_zone=_fitting(more.get("time_zone")),
    )


def _country(customer: Any) -> str | None:
    """Of the default method's billing address, else of the first address that names one."""
    methods = sorted(_listed(customer, "payment_methods"), key=lambda one: not getattr(one, "default", False))
    billed = [getattr(one, "billing_address", None) for one in methods]
    found = (country_of(_text(one, "country_code_alpha2")) for one in (*billed, *_listed(customer, "addresses")))
    return next((code for code in found if code), None)


def _listed(thing: Any, name: str) -> list[Any]:
    found = getattr(thing, name, None)
    return found if isinstance(found, list) else []


def _text(thing: Any, name: str) -> str | None:
    """The client hands some parts over as dicts."""
    return _fitting(thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None))


def _fitting(value: object) -> str | None:
    """Somebody else's free text, if it is one of a sensible length."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
