"""Builders of Stripe objects and events."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.payments import ChargeOrder, EventKind, ProviderEvent
from providers.stripe.config import StripeConfig
from providers.stripe.webhook import StripeWebhooks

CREATED = 1795348800
WEBHOOKS = StripeWebhooks(StripeConfig(api_key="sk_test_x", webhook_secrets=("whsec_x",)))


def open_invoice(**fields: Any) -> dict[str, Any]:
    """An open invoice of the newer shape."""
    return {
        "id": "in_1",
        "object": "invoice",
        "amount_due": 2000,
        "amount_remaining": 2000,
        "attempt_count": 1,
        "currency": "usd",
        "customer": "cus_1",
        "next_payment_attempt": None,
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        "status": "open",
    } | fields


def card_method(**fields: Any) -> dict[str, Any]:
    """A card on a customer."""
    card = {"brand": "visa", "exp_month": 4, "exp_year": 2031, "fingerprint": "fp_1", "last4": "4242"}
    return {"id": "pm_1", "object": "payment_method", "customer": "cus_1", "card": card} | fields


def stripe_event(type_: str, subject: Any, before: Any = None, **fields: Any) -> dict[str, Any]:
    """An event about an object; `before` is what its changed attributes were."""
    data = {"object": subject} | ({} if before is None else {"previous_attributes": before})
    return {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "data": data,
        "livemode": False,
        "type": type_,
    } | fields


def normalise_event(raw: Any) -> ProviderEvent:
    """The one event that the webhook side normalises."""
    (event,) = WEBHOOKS.normalise(json.dumps(raw).encode())
    return event


def dispute_of(payment_id: str | None, **fields: Any) -> ProviderEvent:
    """A normalised dispute event that names only a payment."""
    return ProviderEvent(
        provider="stripe",
        event_id="evt_1",
        event_type="charge.dispute.created",
        kind=EventKind.DISPUTE_OPENED,
        occurred_at=datetime.fromtimestamp(CREATED, UTC),
        payment_id=payment_id,
        **fields,
    )


def order_for(invoice_id: str, **fields: Any) -> ChargeOrder:
    """A charge order made now, with a key of its own."""
    plain = {
        "provider": "stripe",
        "invoice_id": invoice_id,
        "attempt": 1,
        "idempotency_key": f"key-{uuid4()}",
        "amount": 2000,
        "currency": "USD",
        "requested_at": datetime.now(UTC),
    }
    return ChargeOrder.model_validate(plain | fields)
