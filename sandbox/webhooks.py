"""Stripe's webhooks: the envelope around recorded events, and the signature in a header."""

import json
from collections.abc import Callable, Sequence

from sandbox.config import SandboxConfig
from sandbox.courier import Courier, Letter
from sandbox.events import envelope
from sandbox.models import Delivered, Delivery, Document
from sandbox.signing import sign


class Webhooks(Courier):
    """Sends what the sandbox's Stripe records."""

    def __init__(self, config: SandboxConfig, taken: Callable[[str], None]) -> None:
        super().__init__(config, Letter(_seal, _name), config.webhook_url, config.webhook_secret)
        self._taken = taken

    async def send(self, events: Sequence[Document], delivery: Delivery) -> list[Delivered]:
        """Send recorded events: now and wait, or in the background (then the list is empty)."""
        shape = delivery.shape or self._config.shape
        bodies = [json.dumps(envelope(event, shape)).encode() for event in events]
        return await self.send_bodies(bodies, delivery)

    def taken(self, event_id: str) -> None:
        """It is no longer pending."""
        self._taken(event_id)


def _seal(payload: bytes, secret: str, moment: int) -> tuple[bytes, dict[str, str]]:
    signature = sign(payload, secret, moment)
    return payload, {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}


def _name(body: bytes) -> dict[str, str]:
    try:
        event = json.loads(body)
        return {"event": str(event["id"]), "type": str(event["type"])}
    except (ValueError, LookupError, TypeError):
        return {"event": "", "type": ""}
