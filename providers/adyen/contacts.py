"""The shopper's contact, from the webhook of a refused payment: Adyen has no API that returns it.

Source of the field names: Adyen's OpenAPI, Webhooks v1, additionalData. "Shopper details" must be switched on in the
Customer Area (docs.adyen.com/development-resources/webhooks/additional-settings), and the merchant must have sent them
with the payment.
"""

import re
from typing import Any, Final

from core.messages.recipients import Contact, ContactUpdate
from providers.adyen.failures import SHOPPER, first_reference
from providers.adyen.notification import NotificationItem

_LONGEST: Final = 320
"""Characters of the longest e-mail address: 64 before the @, 255 after it (RFC 5321, section 4.5.3.1)."""
_NAME_PARTS: Final = re.compile(r"\[first name=(?P<first>[^,\]]*),.*?last name=(?P<last>[^,\]]*)")
"""The form of a name that the merchant sent in parts; a missing part is `null`."""
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")


def contact_of_item(item: NotificationItem) -> ContactUpdate | None:
    """The contact of the item's shopper; None if the item names no shopper, no reference or no contact data."""
    shopper, reference = first_reference(item.additional.fields, SHOPPER), item.reference
    contact = _build_contact(item.additional.fields.raw)
    if not shopper or not reference or contact == Contact():
        return None
    return ContactUpdate(customer_id=shopper, invoice_id=reference, contact=contact)


def _build_contact(told: Any) -> Contact:
    return Contact(
        email=_bounded_text(told.get("shopperEmail")),
        name=_parse_name(_bounded_text(told.get("shopperName"))) or _bounded_text(told.get("cardHolderName")),
        phone=_bounded_text(told.get("shopperTelephone")) or _bounded_text(told.get("telephoneNumber")),
        language=_bounded_text(told.get("shopperLocale")),
        country=_country_code(told.get("shopperCountry")) or _country_code(told.get("billingAddress.country")),
    )


def _parse_name(told: str | None) -> str | None:
    """The name, joined from its parts if it was sent in parts; None if no part is known."""
    parts = _NAME_PARTS.match(told or "")
    if told is None or parts is None:
        return None if told and told.startswith("[") else told
    known = [part.strip() for part in parts.groups() if part.strip() not in ("", "null")]
    return " ".join(known) or None


def _country_code(told: object) -> str | None:
    return told.upper() if isinstance(told, str) and _COUNTRY.fullmatch(told) else None


def _bounded_text(value: object) -> str | None:
    """A free text from outside, if it is a text of 1 to `_LONGEST` characters."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
