"""Charge orders for tests."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.payments import ChargeOrder


def order_for(invoice_id: str, **fields: Any) -> ChargeOrder:
    """An order made now, under a key of its own."""
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
