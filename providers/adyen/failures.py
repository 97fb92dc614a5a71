"""Why Adyen refused a payment, and the card behind it, from the fields that webhooks and answers share.

Source of the field names: Adyen's OpenAPI, Webhooks v1 and Checkout v72; most must be switched on in the Customer Area
(docs.adyen.com/development-resources/webhooks/additional-settings).
"""

import re
from collections.abc import Mapping
from typing import Final

from core.payments import Card, Failure
from providers.fields import Fields

TOKEN: Final = ("tokenization.storedPaymentMethodId", "recurring.recurringDetailReference")
SHOPPER: Final = ("tokenization.shopperReference", "recurring.shopperReference", "shopperReference")
_COUNTRY: Final = ("cardIssuingCountry", "issuerCountry")
_RAW: Final = re.compile(r"([0-9A-Za-z]{2,3})(\s*:.*)?")
"""`51 : Insufficient funds`: the network's code comes first; a text alone has no code."""
_ADVICE: Final = re.compile(r"([0-9]{1,2})\b.*")
_NETWORKS: Final[Mapping[str, str]] = {"mc": "mastercard", "maestro": "mastercard", "electron": "visa"}
_KEPT: Final = frozenset({"fraud", "not submitted", "transaction blocked by adyen to prevent excessive retry fees"})
"""Refusals by Adyen itself: no network has seen them."""


def failure_of(reason: str | None, additional: Fields, method: str | None, charge_id: str | None) -> Failure:
    """The refusal in raw codes. `reason` is Adyen's text, or its code where it gave no text."""
    return Failure(
        code=reason,
        network=network_of(method),
        network_code=network_code(additional.words("refusalReasonRaw")),
        network_advice=_matched(_ADVICE, additional.words("merchantAdviceCode")),
        network_status="not_sent_to_network" if (reason or "").lower() in _KEPT else None,
        method_id=first(additional, TOKEN),
        charge_id=charge_id,
    )


def card_of(additional: Fields, method: str | None) -> Card:
    """What may be known of the card. The token names it: every event and every call has that, aliases come and go."""
    return Card(
        fingerprint=first(additional, TOKEN),
        network=network_of(method),
        last4=_four(additional.code("cardSummary")),
        country=_two(first(additional, _COUNTRY)),
        funding=(additional.code("fundingSource") or "").lower() or None,
    )


def first(fields: Fields, names: tuple[str, ...]) -> str | None:
    """The first of these fields that is there."""
    return next((found for name in names if (found := fields.words(name))), None)


def network_of(method: str | None) -> str | None:
    """The card network of a payment method such as `mc` or `visa_applepay`; other methods keep their name."""
    name = (method or "").lower().partition("_")[0]
    return _NETWORKS.get(name, name) or None


def network_code(raw: str | None) -> str | None:
    """The response code in the issuer's raw words; None where they hold none."""
    code = _matched(_RAW, raw)
    return code.upper() if code and (any(map(str.isdigit, code)) or ":" in (raw or "")) else None


def _matched(shape: re.Pattern[str], text: str | None) -> str | None:
    found = shape.fullmatch(text or "")
    return found[1] if found else None


def _four(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"[0-9]{4}", text) else None


def _two(text: str | None) -> str | None:
    return text.upper() if text and re.fullmatch(r"[A-Za-z]{2}", text) else None
