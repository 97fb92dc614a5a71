"""Adyen's minor units and those of ISO 4217: for four currencies they differ (`core.money.PROVIDER_DECIMALS`)."""

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
from providers.fields import Fields, InvalidField, parse_json_object


def adyen_decimals(currency: str) -> int:
    """How many decimals an amount of this currency has at Adyen."""
    return currency_decimals(currency, "adyen")


def to_iso(value: int, currency: str) -> int | None:
    """Adyen's amount in minor units of ISO 4217; None for one that has no such amount (half a Chilean peso)."""
    return _rescale_exactly(value, adyen_decimals(currency), currency_decimals(currency))


def from_iso(value: int, currency: str) -> int | None:
    """The amount as Adyen wants it; None for one that it can't take."""
    return _rescale_exactly(value, currency_decimals(currency), adyen_decimals(currency))


def _rescale_exactly(value: int, given: int, wanted: int) -> int | None:
    found = rescale_amount(value, given, wanted)
    return found if rescale_amount(found, wanted, given) == value else None


OWN_KEY: Final = "metadata.priCharge"
"""How the metadata that our own payments carry comes back."""
_VARIANTS: Final = ("paymentMethodVariant", "cardPaymentMethod", "paymentMethod", "chargebackSchemeCode")
"""Where else an item names the method: AUTORESCUE has no `paymentMethod`, and `applepay` leaves the network open."""


class InvalidReference(InvalidField):
    """The item's `merchantReference` can't name an invoice; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__("merchantReference")
        self.why = why


@dataclass(frozen=True)
class AdditionalData:
    """The item's `additionalData`, of which any part may be missing."""

    fields: Fields

    def is_true(self, name: str) -> bool:
        """Whether the field says true."""
        return self.lower_text(name) == "true"

    def lower_text(self, name: str) -> str:
        """The field as a text in lower case; empty without it."""
        return str(self.fields.raw.get(name) or "").strip().lower()

    @property
    def own_key(self) -> str | None:
        """The idempotency key of our own payment, if it is one."""
        return self.fields.code(OWN_KEY)


@dataclass(frozen=True)
class NotificationItem:
    """Readers give None for an absent field and raise Unfit for a wrong one; `additional` is lenient."""

    fields: Fields

    @property
    def event_code(self) -> str:
        """The event code."""
        return self.fields.code("eventCode") or ""

    @property
    def is_success(self) -> bool:
        """What the item says of itself; a text in Adyen's JSON."""
        told = self.fields.raw.get("success")
        if told in ("true", True):
            return True
        if told in ("false", False):
            return False
        raise InvalidField("success")

    @property
    def psp_reference(self) -> str:
        """Adyen's name for the payment or for the step that this is about; of a report, the name of its file."""
        if found := Fields(self.fields.raw, lenient=True).reference("pspReference"):
            return found
        raise InvalidField("pspReference")

    @property
    def original_reference(self) -> str | None:
        """The payment that a step follows."""
        return Fields(self.fields.raw, lenient=True).id("originalReference")

    @property
    def event_id(self) -> str:
        """Adyen repeats an event under the same three: of these is its name. Raises Unfit."""
        return f"{self.psp_reference}:{self.event_code}:{'true' if self.is_success else 'false'}"

    @property
    def reason(self) -> str | None:
        """Why a payment was refused, in Adyen's words."""
        return Fields(self.fields.raw, lenient=True).text("reason")

    @property
    def method(self) -> str | None:
        """The payment method, such as mc or sepadirectdebit; where it says little, what else names it."""
        told = Fields(self.fields.raw, lenient=True).code("paymentMethod")
        if not is_generic_method(told):
            return told
        others = (self.additional.fields.code(name) for name in _VARIANTS)
        return next((other for other in others if not is_generic_method(other)), told)

    @property
    def account(self) -> str | None:
        """The merchant account."""
        return self.fields.text("merchantAccountCode")

    @cached_property
    def additional(self) -> AdditionalData:
        """The extra fields."""
        raw: Any = self.fields.raw.get("additionalData")
        return AdditionalData(Fields(raw if isinstance(raw, dict) else {}, "additionalData.", lenient=True))

    @property
    def occurred_at(self) -> datetime:
        """When it happened, in UTC. Raises Unfit where that can't be read."""
        told = self.fields.raw.get("eventDate")
        try:
            found = datetime.fromisoformat(told if isinstance(told, str) else "")
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise InvalidField("eventDate") from None

    @property
    def reference(self) -> str | None:
        """The merchant's own reference, exactly as it is; None where it can't be taken."""
        return Fields(self.fields.raw, lenient=True).reference("merchantReference")

    def require_reference(self) -> str:
        """The merchant's own reference, which is the invoice. Raises NoReference."""
        told = self.fields.raw.get("merchantReference")
        if told is None or told == "":
            raise InvalidReference("the payment has none")
        if not isinstance(told, str):
            raise InvalidReference("it is no text")
        if why := find_id_problem(told):
            raise InvalidReference(why)
        return told

    def reference_fields(self) -> dict[str, Any]:
        """The invoice that a step is about, as far as it can be taken, and the payment."""
        return {"invoice_id": self.reference, "payment_id": self.original_reference or self.psp_reference}

    def amount_and_currency(self) -> tuple[int, str]:
        """Amount in minor units of ISO 4217, and currency. Raises Unfit."""
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
    """The JSON object. Raises InvalidInput, with what to set where Adyen sends another format."""
    try:
        return parse_json_object(body)
    except InvalidInput:
        if body.lstrip().startswith(b"<"):
            raise InvalidInput(f"This is Adyen's SOAP format. {_METHOD}") from None
        if b"eventCode=" in body:
            raise InvalidInput(f"This is Adyen's HTTP POST format. {_METHOD}") from None
        raise


def notification_items(found: Mapping[str, Any]) -> list[Fields]:
    """Every item of a standard webhook. Raises InvalidInput."""
    items = found["notificationItems"]
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise InvalidInput("This is not an Adyen webhook: it holds no notification items, or too many.")
    wrapped = [one.get("NotificationRequestItem") if isinstance(one, dict) else None for one in items]
    read = [Fields(one) for one in wrapped if isinstance(one, dict)]
    if len(read) != len(items):
        raise InvalidInput("This is not an Adyen webhook: a notification item is not what it should be.")
    return read


def other_webhook_type(found: Mapping[str, Any]) -> str:
    """The type of a webhook without notification items. Raises InvalidInput where it has none."""
    fields = Fields(found, lenient=True)
    terminal = next((name for name in _TERMINAL if name in found), None)
    kind = fields.code("type") or fields.code("eventType") or terminal
    if kind is None:
        raise InvalidInput("This is not an Adyen webhook: it has neither notification items nor a type.")
    return kind


def other_webhook_id(found: Mapping[str, Any], kind: str, body: bytes) -> str:
    """Its own id; most have none, and then the whole body names it, which repeats come with unchanged."""
    told = Fields(found, lenient=True).id("eventId")
    return told or f"{kind}:{hashlib.sha256(body).hexdigest()}"
