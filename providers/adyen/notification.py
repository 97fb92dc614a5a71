"""Adyen's webhook bodies: the items of a standard webhook, and the name of any other.

Also converts between Adyen's minor units and those of ISO 4217, which differ for four currencies
(`core.money.PROVIDER_DECIMALS`; docs.adyen.com/development-resources/currency-codes).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from core.errors import InvalidInput
from core.ids import find_id_problem
from core.money import currency_decimals, rescale_amount
from providers.adyen.methods import is_generic_method
from providers.adyen.signature import MOST_ITEMS
from providers.fields import LARGEST, Fields, InvalidField, parse_json_object


def adyen_decimals(currency: str) -> int:
    """How many decimals an amount of this currency has at Adyen."""
    return currency_decimals(currency, "adyen")


def to_iso(value: int, currency: str) -> int | None:
    """Adyen's amount in minor units of ISO 4217; None if it can't be expressed in them (half a Chilean peso), or
    doesn't fit into a bigint column."""
    found = _rescale_exactly(value, adyen_decimals(currency), currency_decimals(currency))
    return found if found is not None and found <= LARGEST else None


def from_iso(value: int, currency: str) -> int | None:
    """An amount in minor units of ISO 4217 in Adyen's minor units; None if it can't be expressed in them."""
    return _rescale_exactly(value, currency_decimals(currency), adyen_decimals(currency))


def _rescale_exactly(value: int, given: int, wanted: int) -> int | None:
    found = rescale_amount(value, given, wanted)
    return found if rescale_amount(found, wanted, given) == value else None


OWN_KEY: Final = "metadata.priCharge"
"""The field of `additionalData` that returns the idempotency key of our own payments."""
_VARIANTS: Final = ("paymentMethodVariant", "cardPaymentMethod", "paymentMethod", "chargebackSchemeCode")
"""Other fields that name the method: AUTORESCUE has no `paymentMethod`, and `applepay` doesn't say the network."""


class InvalidReference(InvalidField):
    """The item's `merchantReference` can't name an invoice; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__("merchantReference")
        self.why = why


@dataclass(frozen=True)
class AdditionalData:
    """The item's `additionalData`, lenient: which fields it has depends on the webhook's settings."""

    fields: Fields

    def is_true(self, name: str) -> bool:
        """Whether the field is the text or the value true."""
        return self.lower_text(name) == "true"

    def lower_text(self, name: str) -> str:
        """The field as a text in lower case; empty without it."""
        return str(self.fields.raw.get(name) or "").strip().lower()

    @property
    def own_key(self) -> str | None:
        """The idempotency key, if this is a payment of ours; None for the merchant's own payments."""
        return self.fields.code(OWN_KEY)


@dataclass(frozen=True)
class NotificationItem:
    """One NotificationRequestItem. Readers return None for an absent field, and raise InvalidField for an invalid one
    unless they say otherwise."""

    fields: Fields

    @property
    def event_code(self) -> str:
        """The event code; empty if there is none. Raises InvalidField."""
        return self.fields.code("eventCode") or ""

    @property
    def is_success(self) -> bool:
        """The item's `success`, a text in Adyen's JSON. Raises InvalidField if it is neither true nor false."""
        told = self.fields.raw.get("success")
        if told in ("true", True):
            return True
        if told in ("false", False):
            return False
        raise InvalidField("success")

    @property
    def psp_reference(self) -> str:
        """Adyen's id of the payment or modification; of a report, its file name. Raises InvalidField without one."""
        if found := Fields(self.fields.raw, lenient=True).reference("pspReference"):
            return found
        raise InvalidField("pspReference")

    @property
    def original_reference(self) -> str | None:
        """The id of the payment that this modification is about."""
        return Fields(self.fields.raw, lenient=True).id("originalReference")

    @property
    def event_id(self) -> str:
        """The id under which repeats of an event are recognised: Adyen repeats it with the same three fields.

        Raises InvalidField. Source: docs.adyen.com/development-resources/webhooks/handle-webhook-events, duplicates.
        """
        return f"{self.psp_reference}:{self.event_code}:{'true' if self.is_success else 'false'}"

    @property
    def reason(self) -> str | None:
        """Why a payment was refused or returned, as Adyen's text."""
        return Fields(self.fields.raw, lenient=True).text("reason")

    @property
    def method(self) -> str | None:
        """The payment method, such as mc or sepadirectdebit; if it is generic, a more exact name from another field."""
        told = Fields(self.fields.raw, lenient=True).code("paymentMethod")
        if not is_generic_method(told):
            return told
        others = (self.additional.fields.code(name) for name in _VARIANTS)
        return next((other for other in others if not is_generic_method(other)), told)

    @property
    def account(self) -> str | None:
        """The merchant account. Raises InvalidField."""
        return self.fields.text("merchantAccountCode")

    @cached_property
    def additional(self) -> AdditionalData:
        """The item's additional data; empty if there is none."""
        raw: Any = self.fields.raw.get("additionalData")
        return AdditionalData(Fields(raw if isinstance(raw, dict) else {}, "additionalData.", lenient=True))

    @property
    def occurred_at(self) -> datetime:
        """When it happened, in UTC. Raises InvalidField if that can't be read."""
        told = self.fields.raw.get("eventDate")
        try:
            found = datetime.fromisoformat(told if isinstance(told, str) else "")
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise InvalidField("eventDate") from None

    @property
    def reference(self) -> str | None:
        """The merchant's own reference, unchanged; None if there is none, or if it can't name an invoice."""
        return Fields(self.fields.raw, lenient=True).reference("merchantReference")

    def require_reference(self) -> str:
        """The merchant's own reference, which names the invoice. Raises InvalidReference with the reason."""
        told = self.fields.raw.get("merchantReference")
        if told is None or told == "":
            raise InvalidReference("the payment has none")
        if not isinstance(told, str):
            raise InvalidReference("it is no text")
        if why := find_id_problem(told):
            raise InvalidReference(why)
        return told

    def reference_fields(self) -> dict[str, Any]:
        """The ids of invoice and payment of a modification; the invoice is None if its reference can't name one."""
        return {"invoice_id": self.reference, "payment_id": self.original_reference or self.psp_reference}

    def amount_and_currency(self) -> tuple[int, str]:
        """Amount in minor units of ISO 4217, and currency. Raises InvalidField."""
        amount = self.fields.child("amount")
        value, currency = amount.integer("value"), amount.currency("currency")
        if value is None or currency is None:
            raise InvalidField("amount")
        if (found := to_iso(value, currency)) is None:
            raise InvalidField("amount.value")
        return found, currency


_METHOD: Final = "Customer Area, Developers, Webhooks, the webhook's settings: set its method to JSON."
_TERMINAL: Final = ("SaleToPOIRequest", "SaleToPOIResponse")


def parse_webhook_body(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body. Raises InvalidInput, which says what to set if Adyen sent another format."""
    try:
        return parse_json_object(body)
    except InvalidInput:
        if body.lstrip().startswith(b"<"):
            raise InvalidInput(f"This is Adyen's SOAP format. {_METHOD}") from None
        if b"eventCode=" in body:
            raise InvalidInput(f"This is Adyen's HTTP POST format. {_METHOD}") from None
        raise


def notification_items(found: Mapping[str, Any]) -> list[Fields]:
    """Every item of a standard webhook, in its order. Raises InvalidInput if one is missing or malformed."""
    items = found["notificationItems"]
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise InvalidInput("This is not an Adyen webhook: it holds no notification items, or too many.")
    wrapped = [one.get("NotificationRequestItem") if isinstance(one, dict) else None for one in items]
    read = [Fields(one) for one in wrapped if isinstance(one, dict)]
    if len(read) != len(items):
        raise InvalidInput("This is not an Adyen webhook: a notification item is not what it should be.")
    return read


def other_webhook_type(found: Mapping[str, Any]) -> str:
    """The type of a webhook without notification items. Raises InvalidInput if it has none."""
    fields = Fields(found, lenient=True)
    terminal = next((name for name in _TERMINAL if name in found), None)
    kind = fields.code("type") or fields.code("eventType") or terminal
    if kind is None:
        raise InvalidInput("This is not an Adyen webhook: it has neither notification items nor a type.")
    return kind


def other_webhook_id(found: Mapping[str, Any], kind: str, body: bytes) -> str:
    """The id of a webhook without notification items: its own, else a hash of its body, the same in a repeat."""
    told = Fields(found, lenient=True).id("eventId")
    return told or f"{kind}:{hashlib.sha256(body).hexdigest()}"
