"""Stripe's webhooks: the envelope around recorded events, and the signature in a header."""

import json
from collections.abc import Callable, Sequence

from sandbox.config import SandboxConfig
from sandbox.courier import WebhookFormat, WebhookSender
from sandbox.events import event_envelope
from sandbox.models import Delivery, DeliveryResult, Document
from sandbox.signing import sign_stripe_payload


class StripeWebhooks(WebhookSender):
    """Sends what the sandbox's Stripe records."""

    def __init__(self, config: SandboxConfig, on_delivered: Callable[[str], None]) -> None:
        super().__init__(
            config, WebhookFormat(_sign_webhook, _describe_webhook), config.webhook_url, config.webhook_secret
        )
        self._on_delivered = on_delivered

    async def send_events(self, events: Sequence[Document], delivery: Delivery) -> list[DeliveryResult]:
        """Send recorded events: now and wait, or in the background (then the list is empty)."""
        shape = delivery.shape or self._config.shape
        bodies = [json.dumps(event_envelope(event, shape)).encode() for event in events]
        return await self.send_bodies(bodies, delivery)

    def mark_delivered(self, event_id: str) -> None:
        """It is no longer pending."""
        self._on_delivered(event_id)


def _sign_webhook(payload: bytes, secret: str, moment: int) -> tuple[bytes, dict[str, str]]:
    signature = sign_stripe_payload(payload, secret, moment)
    return payload, {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}


def _describe_webhook(body: bytes) -> dict[str, str]:
    try:
        event = json.loads(body)
        return {"event": str(event["id"]), "type": str(event["type"])}
    except (ValueError, LookupError, TypeError):
        return {"event": "", "type": ""}
