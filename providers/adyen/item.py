"""One NotificationRequestItem, read field by field: Adyen sends most values as texts, also truth and numbers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from core.ids import find_id_problem
from providers.adyen.methods import is_generic_method
from providers.adyen.minor import to_iso
from providers.fields import Fields, InvalidField

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
