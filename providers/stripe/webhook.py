"""The webhook side of Stripe: verifies a body and normalises it to one event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import InvalidInput
from core.payments import EventKind, ProviderEvent
from providers.fields import Fields, InvalidField, parse_json_object
from providers.stripe import signature
from providers.stripe.amounts import may_have_other_decimals, to_iso_amounts
from providers.stripe.config import StripeConfig
from providers.stripe.events import interpret_event

NAME: Final = "stripe"
_UNKNOWN_TIME: Final = datetime.fromtimestamp(0, UTC)
"""The time of an ignored event without a readable one; such an event has the kind OTHER and no effect."""


class StripeWebhooks:
    """Webhooks of one Stripe account."""

    def __init__(self, config: StripeConfig) -> None:
        self._secrets = config.webhook_secrets
        self._livemode = config.expected_livemode

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Returns if the body is signed with a known secret within five minutes of `now`. Raises InvalidSignature."""
        signature.verify_signature_header(headers.get("stripe-signature"), body, self._secrets, now)

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The one event in the body; one that can't be used has the kind OTHER and a detail that says why.

        Raises InvalidInput if the body isn't an event of Stripe's, or has no id.
        """
        parsed = parse_json_object(body)
        event = Fields(to_iso_amounts(parsed) if may_have_other_decimals(body) else parsed)
        if event.raw.get("object") not in ("event", "v2.core.event"):
            raise InvalidInput("This is not a Stripe event: its `object` is not `event`.")
        try:
            return (self._parse_event(event),)
        except InvalidField as unfit:
            return (_ignored_event(event, f"unfit: {unfit.field}"[:200]),)

    def _parse_event(self, event: Fields) -> ProviderEvent:
        if event.raw["object"] == "v2.core.event":
            return _ignored_event(event, "thin event: only snapshot events are used")
        # Checked before any field is used: an event of the other mode would be looked up with the wrong key.
        livemode = event.flag("livemode")
        if livemode is not None and self._livemode not in {None, livemode}:
            worlds = ("live event for a test key", "test event for a live key")
            return _ignored_event(event, worlds[not livemode])
        if foreign := _foreign_account(event):
            return _ignored_event(event, foreign)
        found = interpret_event(event)
        if found is None:
            return _ignored_event(event, "event type not used")
        occurred_at = event.unix_time("created")
        if occurred_at is None:
            raise InvalidField("created")
        known: dict[str, Any] = {"occurred_at": occurred_at}
        if found["kind"] is EventKind.OTHER:
            known["customer_id"] = _customer_id(Fields(event.raw, lenient=True))
        return ProviderEvent.model_validate(_event_identity(event) | known | found)


def _foreign_account(event: Fields) -> str | None:
    """Why an event is another account's: of Connect (`account`) or of an organisation (`context`); None if it isn't.

    Our key has no access there, or would read another object of the same id.
    Sources: docs.stripe.com/connect/webhooks; stripe-python 16.1, `stripe/_event.py`.
    """
    for name, whose in (("account", "connected account"), ("context", "account of an organisation")):
        if named := Fields(event.raw, lenient=True).id(name):
            return f"{whose} {named[:100]}: not one of this installation's accounts"
    return None


def _event_identity(event: Fields) -> dict[str, Any]:
    """Provider, id and type. Raises InvalidField without an id, by which repeats of an event are recognised."""
    return {"provider": NAME, "event_id": event.require_id("id"), "event_type": event.code("type") or ""}


def _ignored_event(event: Fields, detail: str) -> ProviderEvent:
    whatever = Fields(event.raw, lenient=True)
    known = {"occurred_at": whatever.unix_time("created") or _UNKNOWN_TIME, "customer_id": _customer_id(whatever)}
    return ProviderEvent(**_event_identity(whatever), kind=EventKind.OTHER, detail=detail, **known)


def _customer_id(event: Fields) -> str | None:
    """Whom the body is about, so that it can be erased with them; None where it names nobody."""
    subject = event.child("data").child("object")
    return subject.id("id" if subject.raw.get("object") == "customer" else "customer")
