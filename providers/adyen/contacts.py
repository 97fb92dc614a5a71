"""The shopper as a person: Adyen can't be asked for one, so what the webhook of a refused payment says is all there is.

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
"""Characters of an e-mail address at most."""
_NAME_PARTS: Final = re.compile(r"\[first name=(?P<first>[^,\]]*),.*?last name=(?P<last>[^,\]]*)")
"""How a name is written where the merchant sent it in parts; `null` for a part that is missing."""


def contact_of_item(item: NotificationItem) -> ContactUpdate | None:
    """None where the item names no shopper, no reference, or nothing of the person."""
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
    """A name in one piece, or put together of its parts."""
    parts = _NAME_PARTS.match(told or "")
    if told is None or parts is None:
        return None if told and told.startswith("[") else told
    known = [part.strip() for part in parts.groups() if part.strip() not in ("", "null")]
    return " ".join(known) or None


def _country_code(told: object) -> str | None:
    return told.upper() if isinstance(told, str) and re.fullmatch(r"[A-Za-z]{2}", told) else None


def _bounded_text(value: object) -> str | None:
    """Somebody else's free text, if it is one of a sensible length."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
