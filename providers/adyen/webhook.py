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
from providers.adyen.events import meaning, token_meaning
from providers.adyen.item import Item
from providers.bodies import json_object
from providers.fields import Fields, Unfit

NAME: Final = "adyen"
_FAILURES: Final = frozenset({EventKind.PAYMENT_FAILED, EventKind.PROVIDER_STOPPED})
_UNDATED: Final = datetime.fromtimestamp(0, UTC)
"""Stands where an event has no readable time; it has the kind OTHER and never acts."""


class AdyenWebhooks:
    """Standard webhooks of one merchant account, and the life-cycle webhooks of its tokens."""

    def __init__(self, config: AdyenConfig) -> None:
        self._config = config

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:  # noqa: ARG002
        """Check the sender of every item; Adyen signs no time. Raises InvalidSignature."""
        try:
            found = json_object(body)
        except InvalidInput as unfit:
            raise InvalidSignature(str(unfit)) from None
        signature.verify(headers, body, found, self._config.hmac_keys)

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """All items in their order; what can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput for what is not a webhook of Adyen at all.
        """
        found = json_object(body)
        if "notificationItems" not in found:
            return (_of_token(Fields(found), self._config),)
        live = str(found.get("live")).lower() == "true"
        return tuple(self._understood(Item(item), live) for item in _items(found))

    def contacts(self, body: bytes) -> tuple[Told, ...]:
        """Whom to write to about each refused payment of ours in a verified body. Raises InvalidInput."""
        found = json_object(body)
        if "notificationItems" not in found:
            return ()
        live = str(found.get("live")).lower() == "true"
        items = [Item(item) for item in _items(found)]
        told = (told_of(one) for one in items if self._understood(one, live).kind in _FAILURES)
        return tuple(one for one in told if one)

    def _understood(self, item: Item, live: bool) -> ProviderEvent:
        try:
            if why := self._foreign(item.account, live):
                return _other(item, why)
            return ProviderEvent.model_validate(_named(item) | {"occurred_at": item.occurred_at} | meaning(item))
        except Unfit as unfit:
            return _other(item, f"unfit: {unfit.field}"[:200])

    def _foreign(self, account: str | None, live: bool) -> str | None:
        """Why an item is none of ours; None where it is."""
        config = self._config
        if config.expected_livemode not in {None, live}:
            return "live event for a test account" if live else "test event for a live account"
        if config.merchant_account and account != config.merchant_account:
            return "another merchant account"
        return None


def _items(found: Mapping[str, Any]) -> list[Fields]:
    items = found["notificationItems"]
    if not isinstance(items, list) or not 0 < len(items) <= signature.MOST_ITEMS:
        raise InvalidInput("This is not an Adyen webhook: it holds no notification items, or too many.")
    wrapped = [one.get("NotificationRequestItem") if isinstance(one, dict) else None for one in items]
    read = [Fields(one) for one in wrapped if isinstance(one, dict)]
    if len(read) != len(items):
        raise InvalidInput("This is not an Adyen webhook: a notification item is not what it should be.")
    return read


def _named(item: Item) -> dict[str, Any]:
    """Without its names an event could be neither stored nor told from its repeats."""
    return {"provider": NAME, "event_id": item.event_id, "event_type": item.code}


def _other(item: Item, detail: str) -> ProviderEvent:
    try:
        names, at = _named(item), item.occurred_at
    except Unfit:
        names, at = _named_anyhow(item), _UNDATED
    return ProviderEvent(**names, kind=EventKind.OTHER, occurred_at=at, detail=detail)


def _named_anyhow(item: Item) -> dict[str, Any]:
    """Raises InvalidInput without a reference: then nothing tells it from its repeats."""
    lenient = Fields(item.fields.raw, lenient=True)
    code = lenient.code("eventCode") or ""
    name = f"{lenient.need('pspReference')}:{code}:{str(item.fields.raw.get('success'))[:5]}"
    return {"provider": NAME, "event_id": name, "event_type": code}


def _of_token(event: Fields, config: AdyenConfig) -> ProviderEvent:
    """A life-cycle event of a token. Raises InvalidInput for anything else."""
    kind = event.code("type") or ""
    if not event.id("eventId") or not kind:
        raise InvalidInput("This is not an Adyen webhook: it has neither notification items nor an event id and type.")
    names: dict[str, Any] = {"provider": NAME, "event_id": event.need("eventId"), "event_type": kind}
    data = Fields(event.child("data").raw, "data.", lenient=True)
    names["occurred_at"] = _moment(event.raw.get("createdAt"))
    if config.merchant_account and data.words("merchantAccount") not in {None, config.merchant_account}:
        return ProviderEvent(**names, kind=EventKind.OTHER, detail="another merchant account")
    try:
        token, shopper = data.words("storedPaymentMethodId"), data.words("shopperReference")
        return ProviderEvent.model_validate(names | token_meaning(kind, token, shopper, names["event_id"]))
    except Unfit as unfit:
        return ProviderEvent(**names, kind=EventKind.OTHER, detail=f"unfit: {unfit.field}")


def _moment(told: object) -> datetime:
    try:
        found = datetime.fromisoformat(told if isinstance(told, str) else "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _UNDATED
