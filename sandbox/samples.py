"""Signed sample webhooks without any server: for `pri trigger` and for tests of the receiving side."""

import json
import time

from sandbox import ids, shapes
from sandbox.config import api_version
from sandbox.factory import build_failed_payment
from sandbox.models import Document, FailedInvoice, Shape
from sandbox.signing import sign_stripe_payload

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
        "id": event_id or ids.new_object_id("evt"),
        "object": "event",
        "api_version": api_version(shape),
        "created": moment,
        "data": {"object": shapes.shape_invoice(made.invoice, shape, made.payment_intent)},
        "livemode": made.invoice["livemode"],
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }


def event_payload(event: Document) -> bytes:
    """The bytes to sign and to post."""
    return json.dumps(event, separators=(",", ":")).encode()
