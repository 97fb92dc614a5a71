"""What a verified body is: notification items, or one of Adyen's other webhooks, which tell nothing of payments.

Sources: docs.adyen.com/development-resources/webhooks/webhook-types (JSON, HTTP POST and SOAP; management and platform
webhooks), docs.adyen.com/point-of-sale/design-your-integration/notifications (messages of terminals).
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from core.errors import InvalidInput
from providers.adyen.signature import MOST_ITEMS
from providers.bodies import parse_json_object
from providers.fields import Fields

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
