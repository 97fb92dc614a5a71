"""The shopper as a person: Adyen can't be asked for one, so what the webhook of a refused payment says is all there is.

Source of the field names: Adyen's OpenAPI, Webhooks v1, additionalData. "Shopper details" must be switched on in the
Customer Area (docs.adyen.com/development-resources/webhooks/additional-settings), and the merchant must have sent them
with the payment.
"""

import re
from typing import Any, Final

from core.messages.contact import Contact, Told
from providers.adyen.failures import SHOPPER, first
from providers.adyen.item import Item

_LONGEST: Final = 320
"""Characters of an e-mail address at most."""
_NAMED: Final = re.compile(r"\[first name=(?P<first>[^,\]]*),.*?last name=(?P<last>[^,\]]*)")
"""How a name is written where the merchant sent it in parts; `null` for a part that is missing."""


def told_of(item: Item) -> Told | None:
    """None where the item names no shopper, no reference, or nothing of the person."""
    shopper, reference = first(item.additional.fields, SHOPPER), item.reference
    contact = _contact(item.additional.fields.raw)
    if not shopper or not reference or contact == Contact():
        return None
    return Told(customer_id=shopper, invoice_id=reference, contact=contact)


def _contact(told: Any) -> Contact:
    return Contact(
        email=_text(told.get("shopperEmail")),
        name=_name(_text(told.get("shopperName"))) or _text(told.get("cardHolderName")),
        phone=_text(told.get("shopperTelephone")) or _text(told.get("telephoneNumber")),
        language=_text(told.get("shopperLocale")),
        country=_country(told.get("shopperCountry")) or _country(told.get("billingAddress.country")),
    )


def _name(told: str | None) -> str | None:
    """A name in one piece, or put together of its parts."""
    parts = _NAMED.match(told or "")
    if told is None or parts is None:
        return None if told and told.startswith("[") else told
    known = [part.strip() for part in parts.groups() if part.strip() not in ("", "null")]
    return " ".join(known) or None


def _country(told: object) -> str | None:
    return told.upper() if isinstance(told, str) and re.fullmatch(r"[A-Za-z]{2}", told) else None


def _text(value: object) -> str | None:
    """Somebody else's free text, if it is one of a sensible length."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
