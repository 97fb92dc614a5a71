"""The webhook side of Adyen: verifies every item of a batch, and normalises each to one event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import InvalidInput, InvalidSignature
from core.messages.recipients import ContactUpdate
from core.payments import EventKind, ProviderEvent
from providers.adyen import signature
from providers.adyen.config import AdyenConfig
from providers.adyen.contacts import contact_of_item
from providers.adyen.events import interpret_item
from providers.adyen.extractors import TOKEN_TYPES, interpret_token_event
from providers.adyen.failures import SHOPPER, first_reference
from providers.adyen.notification import (
    InvalidReference,
    NotificationItem,
    notification_items,
    other_webhook_id,
    other_webhook_type,
    parse_webhook_body,
)
from providers.fields import Fields, InvalidField

NAME: Final = "adyen"
_UNKNOWN_TIME: Final = datetime.fromtimestamp(0, UTC)
"""The time of an ignored event without a readable one; such an event has the kind OTHER and no effect."""


class AdyenWebhooks:
    """Standard webhooks of one merchant account, and the life-cycle webhooks of its tokens."""

    def __init__(self, config: AdyenConfig) -> None:
        self._config = config

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:  # noqa: ARG002
        """Returns if every item, or the body, is signed with a known key. Raises InvalidSignature; checks no age."""
        try:
            found = parse_webhook_body(body)
        except InvalidInput as unfit:
            raise InvalidSignature(str(unfit)) from None
        signature.verify_hmac_signature(headers, body, found, self._config.hmac_keys)

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """One event per item, in their order; one that can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput if the body isn't a webhook of Adyen's, or if an item has no PSP reference.
        """
        found = parse_webhook_body(body)
        if "notificationItems" not in found:
            return (self._parse_other_webhook(found, body),)
        live = str(found.get("live")).lower() == "true"  # a text in Adyen's JSON
        return tuple(self._parse_item(NotificationItem(item), live) for item in notification_items(found))

    def extract_contacts(self, body: bytes) -> tuple[ContactUpdate, ...]:
        """The contact for each failed payment in a verified body that names one. Raises InvalidInput."""
        found = parse_webhook_body(body)
        if "notificationItems" not in found:
            return ()
        live = str(found.get("live")).lower() == "true"
        items = [NotificationItem(item) for item in notification_items(found)]
        told = (contact_of_item(one) for one in items if self._parse_item(one, live).opens_recovery)
        return tuple(one for one in told if one)

    def _parse_item(self, item: NotificationItem, live: bool) -> ProviderEvent:
        try:
            if why := self._foreign_reason(item.account, live):
                return _ignored_event(item, why)
            told = interpret_item(item)
            # An event without effect needs no time; one of Adyen's own samples has none.
            acts = told["kind"] is not EventKind.OTHER
            at = item.occurred_at if acts else _parse_time(item.fields.raw.get("eventDate"))
            whom = {} if acts else _shopper_field(item)
            return ProviderEvent.model_validate(_item_identity(item) | {"occurred_at": at} | whom | told)
        except InvalidReference as refused:
            return _ignored_event(item, f"reference can't be taken: {refused.why}")
        except InvalidField as unfit:
            return _ignored_event(item, f"unfit: {unfit.field}"[:200])

    def _parse_other_webhook(self, found: Mapping[str, Any], body: bytes) -> ProviderEvent:
        """A life-cycle event of a token, or an event without effect. Raises InvalidInput if the body has no type."""
        kind = other_webhook_type(found)
        names: dict[str, Any] = {"provider": NAME, "event_id": other_webhook_id(found, kind, body), "event_type": kind}
        names["occurred_at"] = _parse_time(found.get("createdAt") or found.get("eventDate"))
        data = Fields(Fields(found, lenient=True).child("data").raw, "data.", lenient=True)
        names["customer_id"] = data.reference("shopperReference")
        if kind not in TOKEN_TYPES:
            return ProviderEvent(**names, kind=EventKind.OTHER, detail="this webhook tells nothing of a payment")
        try:
            if why := self._foreign_token_reason(data.text("merchantAccount"), str(found.get("environment")).lower()):
                return ProviderEvent(**names, kind=EventKind.OTHER, detail=why)
            return ProviderEvent.model_validate(names | interpret_token_event(kind, data, names["event_id"]))
        except InvalidField as unfit:
            return ProviderEvent(**names, kind=EventKind.OTHER, detail=f"unfit: {unfit.field}")

    def _foreign_reason(self, account: str | None, live: bool) -> str | None:
        """Why an item isn't ours, as the event's detail; None if it is."""
        config = self._config
        if config.expected_livemode not in {None, live}:
            return "live event for a test account" if live else "test event for a live account"
        if config.merchant_account and account != config.merchant_account:
            return "another merchant account"
        return None

    def _foreign_token_reason(self, account: str | None, environment: str) -> str | None:
        """As `_foreign_reason`; a missing account or environment counts as ours, since both are optional here."""
        told = {"live": True, "test": False}.get(environment, bool(self._config.expected_livemode))
        return self._foreign_reason(account or self._config.merchant_account, told)


def _item_identity(item: NotificationItem) -> dict[str, Any]:
    """Provider, id and type. Raises InvalidField without an id, by which repeats of an event are recognised."""
    return {"provider": NAME, "event_id": item.event_id, "event_type": item.event_code}


def _ignored_event(item: NotificationItem, detail: str) -> ProviderEvent:
    try:
        names = _item_identity(item)
    except InvalidField:
        names = _lenient_identity(item)
    at = _parse_time(item.fields.raw.get("eventDate"))
    return ProviderEvent(**names, kind=EventKind.OTHER, occurred_at=at, detail=detail, **_shopper_field(item))


def _shopper_field(item: NotificationItem) -> dict[str, Any]:
    """Whom an item without effect is about, so that it can be erased with them; empty where it names nobody."""
    additional = item.fields.raw.get("additionalData")
    told = Fields(additional if isinstance(additional, dict) else {}, lenient=True)
    return {"customer_id": first_reference(told, SHOPPER)}


def _lenient_identity(item: NotificationItem) -> dict[str, Any]:
    """The identity of an item with invalid fields. Raises InvalidField without a PSP reference."""
    code = Fields(item.fields.raw, lenient=True).code("eventCode") or ""
    name = f"{item.psp_reference}:{code}:{str(item.fields.raw.get('success'))[:5]}"
    return {"provider": NAME, "event_id": name, "event_type": code}


def _parse_time(told: object) -> datetime:
    try:
        found = datetime.fromisoformat(told if isinstance(told, str) else "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _UNKNOWN_TIME
