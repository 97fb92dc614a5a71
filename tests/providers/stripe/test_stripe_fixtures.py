"""Stripe's own fixture objects, as stripe-mock serves them, fit every event that we know."""

from typing import Any

import httpx
import pytest

from core.payments import EventKind
from providers.stripe.events import EVENTS
from tests.providers.stripe.builders import normalise_event, stripe_event

PATHS = {
    "invoice_payment.": "invoice_payments/inpay_1",
    "invoice.": "invoices/in_1",
    "credit_note.": "credit_notes/cn_1",
    "payment_intent.": "payment_intents/pi_1",
    "charge.dispute.": "disputes/dp_1",
    "charge.refund.": "refunds/re_1",
    "charge.": "charges/ch_1",
    "refund.": "refunds/re_1",
    "radar.early_fraud_warning.": "radar/early_fraud_warnings/issfr_1",
    "customer.subscription.": "subscriptions/sub_1",
    "customer.source.": "sources/src_1",
    "customer.": "customers/cus_1",
    "payment_method.": "payment_methods/pm_1",
    "mandate.": "mandates/mandate_1",
}
"""Which object an event is about, the longer prefixes first."""
BEFORE: tuple[Any, ...] = (None, {}, {"status": "open", "default_payment_method": None, "amount_remaining": 1})


@pytest.fixture(scope="module")
def stripes(mock_address: str) -> dict[str, Any]:
    """Each fixture object by its name."""
    key = {"Authorization": "Bearer sk_test_1"}
    with httpx.Client(base_url=f"{mock_address}/v1/", headers=key, trust_env=False) as http:
        return {where: http.get(where).raise_for_status().json() for where in set(PATHS.values())}


@pytest.mark.parametrize("before", BEFORE, ids=["created", "updated", "changed"])
@pytest.mark.parametrize("type_", EVENTS)
def test_a_fixture_of_stripe_fits(stripes: dict[str, Any], type_: str, before: Any) -> None:
    where = next(path for prefix, path in PATHS.items() if type_.startswith(prefix))
    event = normalise_event(stripe_event(type_, stripes[where], before))
    assert not (event.detail or "").startswith("unfit"), event.detail
    assert event.kind is not EventKind.OTHER or event.detail
