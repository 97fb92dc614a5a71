"""Stripe's webhooks: the envelope around recorded events, and the signature in a header."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence

from sandbox import models
from sandbox.config import SandboxConfig
from sandbox.models import Delivery, DeliveryResult, Document, Shape
from sandbox.stripe import views
from sandbox.stripe.calls import api_version
from sandbox.stripe.events import event_envelope
from sandbox.stripe.factory import build_failed_payment
from sandbox.stripe.models import FailedInvoice
from sandbox.webhook_sender import WebhookFormat, WebhookSender


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


def sign_stripe_payload(payload: bytes, secret: str, timestamp: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 over `<timestamp>.<payload>` in hexadecimal."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


__all__ = ["event_payload", "failed_invoice_event", "sign_stripe_payload"]


def failed_invoice_event(
    spec: FailedInvoice | None = None,
    *,
    shape: Shape = Shape.BASIL,
    event_type: str = "invoice.payment_failed",
    event_id: str | None = None,
    now: int | None = None,
) -> Document:
    """An event about an invoice whose payment failed, as Stripe would send it in that API shape."""
    moment = int(time.time()) if now is None else now
    made = build_failed_payment(spec or FailedInvoice(), moment)
    return {
        "id": event_id or models.new_object_id("evt"),
        "object": "event",
        "api_version": api_version(shape),
        "created": moment,
        "data": {"object": views.shape_invoice(made.invoice, shape, made.payment_intent)},
        "livemode": made.invoice["livemode"],
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }


def event_payload(event: Document) -> bytes:
    """The bytes to sign and to post."""
    return json.dumps(event, separators=(",", ":")).encode()
