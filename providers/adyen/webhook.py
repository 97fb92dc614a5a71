"""The webhook side: every item of a batch verified, then said in our words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import InvalidInput, InvalidSignature
from core.messages.contact import Told
from core.payments import EventKind, ProviderEvent
from providers.adyen import signature
from providers.adyen.config import AdyenConfig
from providers.adyen.contacts import told_of
from providers.adyen.envelope import adyen_object, notification_items, other_id, other_kind
from providers.adyen.events import meaning
from providers.adyen.extractors import TOKEN_TYPES, token_meaning
from providers.adyen.item import Item, NoReference
from providers.fields import Fields, Unfit

NAME: Final = "adyen"
_FAILURES: Final = frozenset({EventKind.PAYMENT_FAILED, EventKind.PROVIDER_STOPPED, EventKind.PAYMENT_REVERSED})
_UNDATED: Final = datetime.fromtimestamp(0, UTC)
"""Stands where an event has no readable time; it has the kind OTHER and never acts."""


class AdyenWebhooks:
    """Standard webhooks of one merchant account, and the life-cycle webhooks of its tokens."""

    def __init__(self, config: AdyenConfig) -> None:
        self._config = config

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:  # noqa: ARG002
        """Check the sender of every item; Adyen signs no time. Raises InvalidSignature."""
        try:
            found = adyen_object(body)
        except InvalidInput as unfit:
            raise InvalidSignature(str(unfit)) from None
        signature.verify(headers, body, found, self._config.hmac_keys)

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """All items in their order; what can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput for what is not a webhook of Adyen at all.
        """
        found = adyen_object(body)
        if "notificationItems" not in found:
            return (self._other_webhook(found, body),)
        live = str(found.get("live")).lower() == "true"
        return tuple(self._understood(Item(item), live) for item in notification_items(found))

    def contacts(self, body: bytes) -> tuple[Told, ...]:
        """Whom to write to about each refused payment of ours in a verified body. Raises InvalidInput."""
        found = adyen_object(body)
        if "notificationItems" not in found:
            return ()
        live = str(found.get("live")).lower() == "true"
        items = [Item(item) for item in notification_items(found)]
        told = (told_of(one) for one in items if self._understood(one, live).kind in _FAILURES)
        return tuple(one for one in told if one)

    def _understood(self, item: Item, live: bool) -> ProviderEvent:
        try:
            if why := self._foreign(item.account, live):
                return _other(item, why)
            told = meaning(item)
            # What has no effect needs no time; one of Adyen's own samples has none.
            acts = told["kind"] is not EventKind.OTHER
            at = item.occurred_at if acts else _moment(item.fields.raw.get("eventDate"))
            return ProviderEvent.model_validate(_named(item) | {"occurred_at": at} | told)
        except NoReference as refused:
            return _other(item, f"reference can't be taken: {refused.why}")
        except Unfit as unfit:
            return _other(item, f"unfit: {unfit.field}"[:200])

    def _other_webhook(self, found: Mapping[str, Any], body: bytes) -> ProviderEvent:
        """A life-cycle event of a token, or what has no effect. Raises InvalidInput for what Adyen doesn't send."""
        kind = other_kind(found)
        names: dict[str, Any] = {"provider": NAME, "event_id": other_id(found, kind, body), "event_type": kind}
        names["occurred_at"] = _moment(found.get("createdAt") or found.get("eventDate"))
        if kind not in TOKEN_TYPES:
            return ProviderEvent(**names, kind=EventKind.OTHER, detail="this webhook tells nothing of a payment")
        data = Fields(Fields(found, lenient=True).child("data").raw, "data.", lenient=True)
        try:
            if why := self._foreign_token(data.words("merchantAccount"), str(found.get("environment")).lower()):
                return ProviderEvent(**names, kind=EventKind.OTHER, detail=why)
            return ProviderEvent.model_validate(names | token_meaning(kind, data, names["event_id"]))
        except Unfit as unfit:
            return ProviderEvent(**names, kind=EventKind.OTHER, detail=f"unfit: {unfit.field}")

    def _foreign(self, account: str | None, live: bool) -> str | None:
        """Why an item is none of ours; None where it is."""
        config = self._config
        if config.expected_livemode not in {None, live}:
            return "live event for a test account" if live else "test event for a live account"
        if config.merchant_account and account != config.merchant_account:
            return "another merchant account"
        return None

    def _foreign_token(self, account: str | None, environment: str) -> str | None:
        """As `_foreign`; these webhooks may leave out both."""
        told = {"live": True, "test": False}.get(environment, bool(self._config.expected_livemode))
        return self._foreign(account or self._config.merchant_account, told)


def _named(item: Item) -> dict[str, Any]:
    """Without its names an event could be neither stored nor told from its repeats."""
    return {"provider": NAME, "event_id": item.event_id, "event_type": item.code}


def _other(item: Item, detail: str) -> ProviderEvent:
    try:
        names = _named(item)
    except Unfit:
        names = _named_anyhow(item)
    at = _moment(item.fields.raw.get("eventDate"))
    return ProviderEvent(**names, kind=EventKind.OTHER, occurred_at=at, detail=detail)


def _named_anyhow(item: Item) -> dict[str, Any]:
    """Raises InvalidInput without a reference: then nothing tells it from its repeats."""
    code = Fields(item.fields.raw, lenient=True).code("eventCode") or ""
    name = f"{item.psp_reference}:{code}:{str(item.fields.raw.get('success'))[:5]}"
    return {"provider": NAME, "event_id": name, "event_type": code}


def _moment(told: object) -> datetime:
    try:
        found = datetime.fromisoformat(told if isinstance(told, str) else "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _UNDATED
