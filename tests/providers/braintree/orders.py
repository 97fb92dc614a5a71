"""Charge orders for failed payments of the Braintree sandbox."""

from datetime import UTC, datetime
from typing import Any

from core.payments import ChargeOrder
from sandbox.braintree.models import FailedTransactionIds


def order_for(transaction_ids: FailedTransactionIds, **changes: Any) -> ChargeOrder:
    """The first charge order of a failed payment, made now."""
    plain: dict[str, Any] = {
        "provider": "braintree",
        "invoice_id": transaction_ids.invoice,
        "attempt": 1,
        "idempotency_key": f"pri-braintree-{transaction_ids.invoice}-1",
        "amount": 2000,
        "currency": "USD",
        "customer_id": transaction_ids.customer,
        "last_method_id": transaction_ids.payment_method,
        "charge_before": transaction_ids.transaction,
        "requested_at": datetime.now(UTC),
    }
    return ChargeOrder.model_validate(plain | changes)
