"""The webhook side: verify cheaply, then say in our words what happened."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import InvalidInput
from core.payments import EventKind, ProviderEvent
from providers.bodies import json_object
from providers.fields import Fields, Unfit
from providers.stripe import signature
from providers.stripe.config import StripeConfig
from providers.stripe.events import meaning
from providers.stripe.minor import in_iso

NAME: Final = "stripe"
_UNDATED: Final = datetime.fromtimestamp(0, UTC)
"""Stands where an event has no readable time; it has the kind OTHER and never acts."""


class StripeWebhooks:
    """Webhooks of one Stripe account."""

    def __init__(self, config: StripeConfig) -> None:
        self._secrets = config.webhook_secrets
        self._livemode = config.expected_livemode

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check sender and age. Raises InvalidSignature."""
        signature.verify(headers.get("stripe-signature"), body, self._secrets, now)

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The one event in the body; what can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput for what is not an event of Stripe at all.
        """
        event = Fields(in_iso(json_object(body)))
        if event.raw.get("object") not in ("event", "v2.core.event"):
            raise InvalidInput("This is not a Stripe event: its `object` is not `event`.")
        try:
            return (self._understood(event),)
        except Unfit as unfit:
            return (_other(event, f"unfit: {unfit.field}"[:200]),)

    def _understood(self, event: Fields) -> ProviderEvent:
        if event.raw["object"] == "v2.core.event":
            return _other(event, "thin event: only snapshot events are used")
        livemode = event.flag("livemode")
        if livemode is not None and self._livemode not in {None, livemode}:
            worlds = ("live event for a test key", "test event for a live key")
            return _other(event, worlds[not livemode])
        if foreign := _foreign(event):
            return _other(event, foreign)
        found = meaning(event)
        if found is None:
            return _other(event, "event type not used")
        occurred_at = event.moment("created")
        if occurred_at is None:
            raise Unfit("created")
        return ProviderEvent.model_validate(_named(event) | {"occurred_at": occurred_at} | found)


def _foreign(event: Fields) -> str | None:
    """Why an event is another account's: of Connect (`account`), or of an organisation's endpoint (`context`).

    Our key would be refused there, or would read another object of the same name.
    Sources: docs.stripe.com/connect/webhooks; stripe-python 16.1, `stripe/_event.py`.
    """
    for name, whose in (("account", "connected account"), ("context", "account of an organisation")):
        if named := Fields(event.raw, lenient=True).id(name):
            return f"{whose} {named[:100]}: not one of this installation's accounts"
    return None


def _named(event: Fields) -> dict[str, Any]:
    """Without an id an event could be neither stored nor told from its repeats. Raises InvalidInput."""
    return {"provider": NAME, "event_id": event.need("id"), "event_type": event.code("type") or ""}


def _other(event: Fields, detail: str) -> ProviderEvent:
    whatever = Fields(event.raw, lenient=True)
    occurred_at = whatever.moment("created") or _UNDATED
    return ProviderEvent(**_named(whatever), kind=EventKind.OTHER, occurred_at=occurred_at, detail=detail)
