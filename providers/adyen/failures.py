"""Why Adyen refused a payment, and with which card, from the fields that webhooks and payment responses share.

Source of the field names: Adyen's OpenAPI, Webhooks v1 and Checkout v72; most must be switched on in the Customer Area
(docs.adyen.com/development-resources/webhooks/additional-settings). Of the refusals:
docs.adyen.com/development-resources/refusal-reasons.
"""

import re
from typing import Final

from core.payments import Card, Failure, MethodKind
from providers.adyen.methods import kind_of_method, network_of_method
from providers.fields import Fields

TOKEN: Final = ("tokenization.storedPaymentMethodId", "recurring.recurringDetailReference")
SHOPPER: Final = ("tokenization.shopperReference", "recurring.shopperReference", "shopperReference")
_COUNTRY: Final = ("cardIssuingCountry", "issuerCountry")
_CARD_FIELDS: Final = ("cardSummary", "cardBin", "expiryDate", "fundingSource")
_RAW: Final = re.compile(r"([0-9A-Za-z]{2,3})(\s*:.*)?")
"""`51 : Insufficient funds`: the network's code, then its text. A text alone holds no code."""
_ADVICE: Final = re.compile(r"([0-9]{1,2})\b.*")
_NUMBERED: Final = re.compile(r"([0-9]{3}|[0-9]{2,3}_[0-9]{1,4})(?:\s*+[:.-]\s*+|\s++)\D.*")
"""`803 PaymentDetail not found`: an error code and its text."""
_COUNTED: Final = re.compile(r"([0-9]{1,2}) [A-Za-z].*")
"""`12 Not enough balance`: a refusal's number and its text."""
_BANK_CODE: Final = re.compile(r"\W*([A-Z]{2}[0-9]{2}|R[0-9]{2})(?![0-9A-Z])")
"""Codes of returned debits: ISO 20022 (`AM04`) and Nacha (`R01`)."""
_SHORT: Final = re.compile(r"[0-9A-Z]{1,2}")
_PROCESS_WORD: Final = re.compile(r"[a-z]+([A-Z][a-z]+)+")
_NO_LETTERS: Final = re.compile(r"[\W_]")
_LAST_FOUR: Final = re.compile(r"[0-9]{4}")
_COUNTRY_CODE: Final = re.compile(r"[A-Za-z]{2}")
FRAUD_DECLINE: Final = "fraudDecline"
_RESCUE_ENDS: Final = frozenset({"retrywindowhaselapsed", "maxretryattemptsreached", "internalerror"})
"""Reasons for which a rescue ended, no refusals (docs.adyen.com/online-payments/auto-rescue/cards, "Rescue process
ended")."""
_REFUSED_BY_ADYEN: Final = frozenset(
    {"fraud", "not submitted", "transaction blocked by adyen to prevent excessive retry fees"}
)
"""Refusals by Adyen itself, which don't count towards a network's limits."""


def failure_of(reason: str | None, additional: Fields, method: str | None, charge_id: str | None) -> Failure:
    """The refusal as raw codes. `reason` is Adyen's text, or its number if it gave no text."""
    bank = _bank_code(additional, reason) if kind_of_method(method) is MethodKind.DIRECT_DEBIT else None
    return Failure(
        code=bank or refusal_code(reason),
        network=network_of_method(method),
        network_code=network_code(additional.text("refusalReasonRaw")),
        network_advice=_match_code(_ADVICE, additional.text("merchantAdviceCode")),
        network_status="not_sent_to_network" if (reason or "").lower() in _REFUSED_BY_ADYEN else None,
        method_id=first_reference(additional, TOKEN),
        charge_id=charge_id,
    )


def refusal_code(reason: str | None) -> str | None:
    """The key of the decline table: the number before the text, else the text; None if it isn't a refusal."""
    text = (reason or "").strip()
    if text.lower() in ("", "null") or _is_process_word(text):
        return None
    return _match_code(_NUMBERED, text) or _match_code(_COUNTED, text) or text


def _is_process_word(reason: str) -> bool:
    """Whether a reason names how a process of Adyen's ended, and not why a bank refused.

    Adyen writes refusals as separate words and these in camel case; `fraudDecline` is the only one with a cause.
    """
    squeezed = _NO_LETTERS.sub("", reason).lower()
    if squeezed == FRAUD_DECLINE.lower():
        return False
    return squeezed in _RESCUE_ENDS or _PROCESS_WORD.fullmatch(reason.strip()) is not None


def failure_of_returned_debit(
    additional: Fields, reason: str | None, method: str | None, charge_id: str | None
) -> Failure:
    """Why a bank returned a debit: the scheme's code, else Adyen's reason code, else the reason as text."""
    told = str(additional.raw.get("chargebackReasonCode") or "").strip()
    code = (
        _bank_code(additional, reason)
        or (told if told.isascii() and told.isprintable() else "")[:100]
        or refusal_code(reason)
    )
    if code and _SHORT.fullmatch(code.upper()):
        # Bacs numbers its returns from 0; in the decline table the same numbers mean Adyen's card refusals.
        code = f"{network_of_method(method) or 'debit'} {code.upper()}"
    return Failure(
        code=code, network=network_of_method(method), method_id=first_reference(additional, TOKEN), charge_id=charge_id
    )


def _bank_code(additional: Fields, reason: str | None) -> str | None:
    """The scheme's own code (ISO 20022 or Nacha), from the first field that begins with one."""
    places = (additional.raw.get("chargebackReasonCode"), reason, additional.raw.get("refusalReasonRaw"))
    matches = (_BANK_CODE.match(str(place or "").upper()) for place in places)
    return next((match[1] for match in matches if match), None)


def card_of_payment(additional: Fields, method: str | None) -> Card:
    """The card, with its token as fingerprint: every event and call has the token, while aliases depend on settings."""
    seen = any(additional.raw.get(name) for name in _CARD_FIELDS)
    return Card(
        kind=kind_of_method(method, card_seen=seen),
        fingerprint=first_reference(additional, TOKEN),
        network=network_of_method(method),
        last4=_last_four(additional.code("cardSummary")),
        country=_country_code(first_reference(additional, _COUNTRY)),
        funding=(additional.code("fundingSource") or "").lower() or None,
    )


def first_reference(fields: Fields, names: tuple[str, ...]) -> str | None:
    """The first of these fields that is there, read as a reference since a merchant's own names are among them."""
    return next((found for name in names if (found := fields.reference(name))), None)


def network_code(raw: str | None) -> str | None:
    """The network's response code in `refusalReasonRaw`, upper case; None if that holds only a text."""
    code = _match_code(_RAW, raw)
    return code.upper() if code and (any(map(str.isdigit, code)) or ":" in (raw or "")) else None


def _match_code(shape: re.Pattern[str], text: str | None) -> str | None:
    found = shape.fullmatch(text or "")
    return found[1] if found else None


def _last_four(text: str | None) -> str | None:
    return text if text and _LAST_FOUR.fullmatch(text) else None


def _country_code(text: str | None) -> str | None:
    return text.upper() if text and _COUNTRY_CODE.fullmatch(text) else None
