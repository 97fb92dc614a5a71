"""What reading says about a charge whose answer was lost."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.errors import ProviderUnavailable
from core.payments import ChargeOrder, ChargeResult, Outcome
from providers.fields import Fields
from providers.stripe.gateway import StripeGateway
from providers.stripe.payments import Payment
from providers.stripe.reconciliation import reconcile_by_payment
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.builders import order_for


async def test_lost_success_is_found_by_reading(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice(script=("succeed_then_drop",))
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    assert (await gateway.charge(order)).outcome is Outcome.UNKNOWN
    result = await gateway.reconcile(order)
    (line,) = await box.read_ledger(failed_invoice.invoice)
    assert (result.outcome, result.charge_id) == (Outcome.SUCCEEDED, line.charge)


async def test_lost_decline_is_found_by_reading(
    box: StripeSandboxClient, impatient_gateway: StripeGateway, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice(script=("hang:2:decline:expired_card",))
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    assert (await impatient_gateway.charge(order)).reason == "timeout"
    assert (await gateway.reconcile(order)).reason == "not_settled"
    result = await _reconcile_until_known(gateway, order)
    assert result.failure.code == "expired_card"
    assert result.card.last4 == "4242"


async def _reconcile_until_known(gateway: StripeGateway, order: ChargeOrder) -> ChargeResult:
    for _ in range(100):
        result = await gateway.reconcile(order)
        if result.outcome is not Outcome.UNKNOWN:
            return result
        await asyncio.sleep(0.05)
    raise AssertionError("the charge was never resolved")


async def test_the_charge_from_before_the_order_decides_nothing(
    box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    failed_invoice = await box.create_failed_invoice()
    order = order_for(failed_invoice.invoice, charge_before=failed_invoice.charge)
    result = await gateway.reconcile(order)
    assert (result.outcome, result.reason, result.no_attempt) == (Outcome.UNKNOWN, "not_settled", True)
    old = order.model_copy(update={"requested_at": order.requested_at - timedelta(hours=24)})
    result = await gateway.reconcile(old)
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "no_trace")


async def test_a_void_invoice_was_not_charged(box: StripeSandboxClient, gateway: StripeGateway) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.void_invoice(failed_invoice.invoice)
    result = await gateway.reconcile(order_for(failed_invoice.invoice, charge_before=failed_invoice.charge))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_not_payable")


async def test_missing_invoice_decides_nothing(gateway: StripeGateway) -> None:
    result = await gateway.reconcile(order_for("in_gone"))
    assert (result.reason, result.no_attempt) == ("invoice_missing", False), "nothing could be read"


@pytest.mark.parametrize(
    ("charge", "processing"),
    [({"status": "succeeded", "amount": 1}, False), ({"status": "pending", "amount": 4900}, False), ({}, True)],
)
def test_an_attempt_since_the_order_is_no_silence(charge: dict[str, Any], processing: bool) -> None:
    """Another payment of less, one under way, and an intent that Stripe is still working on."""
    order = order_for("in_1")
    fresh = {"id": "ch_new", "created": int(order.requested_at.timestamp()) + 1} if charge else {}
    intent = {"id": "pi_1", "status": "processing" if processing else "requires_payment_method"}
    payment = Payment(Fields(intent), Fields(fresh | charge))
    result = reconcile_by_payment(order, Fields({"id": "in_1", "status": "open"}), payment, order.requested_at)
    assert (result.outcome, result.no_attempt) == (Outcome.UNKNOWN, False)


@pytest.mark.parametrize("path", ["/v1/invoices/*", "/v1/payment_intents/*"])
async def test_failed_read_is_unavailable(box: StripeSandboxClient, gateway: StripeGateway, path: str) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_fault(path, "error:503")
    with pytest.raises(ProviderUnavailable, match="503"):
        await gateway.reconcile(order_for(failed_invoice.invoice))
