"""What reading tells of an order whose answer was lost."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import ProviderUnavailable
from core.payments import ChargeOrder, ChargeResult, Outcome
from providers.stripe.gateway import StripeGateway
from sandbox.client import SandboxClient
from tests.providers.stripe.builders import order_for


async def test_money_that_came_although_the_answer_was_lost(box: SandboxClient, gateway: StripeGateway) -> None:
    made = await box.create_failed_invoice(script=("succeed_then_drop",))
    wanted = order_for(made.invoice, charge_before=made.charge)
    assert (await gateway.charge(wanted)).outcome is Outcome.UNKNOWN
    result = await gateway.reconcile(wanted)
    (line,) = await box.read_ledger(made.invoice)
    assert (result.outcome, result.charge_id) == (Outcome.SUCCEEDED, line.charge)


async def test_a_decline_whose_answer_was_lost(
    box: SandboxClient, impatient_gateway: StripeGateway, gateway: StripeGateway
) -> None:
    made = await box.create_failed_invoice(script=("hang:2:decline:expired_card",))
    wanted = order_for(made.invoice, charge_before=made.charge)
    assert (await impatient_gateway.charge(wanted)).reason == "timeout"
    assert (await gateway.reconcile(wanted)).reason == "not_settled"
    result = await _reconcile_until_known(gateway, wanted)
    assert result.failure.code == "expired_card"
    assert result.card.last4 == "4242"


async def _reconcile_until_known(gateway: StripeGateway, wanted: ChargeOrder) -> ChargeResult:
    for _ in range(100):
        result = await gateway.reconcile(wanted)
        if result.outcome is not Outcome.UNKNOWN:
            return result
        await asyncio.sleep(0.05)
    raise AssertionError("the order was never settled")


async def test_the_charge_from_before_the_order_decides_nothing(box: SandboxClient, gateway: StripeGateway) -> None:
    made = await box.create_failed_invoice()
    young = order_for(made.invoice, charge_before=made.charge)
    result = await gateway.reconcile(young)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "not_settled")
    old = young.model_copy(update={"requested_at": young.requested_at - timedelta(hours=24)})
    result = await gateway.reconcile(old)
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "no_trace")


async def test_a_void_invoice_was_not_charged(box: SandboxClient, gateway: StripeGateway) -> None:
    made = await box.create_failed_invoice()
    await box.void_invoice(made.invoice)
    result = await gateway.reconcile(order_for(made.invoice, charge_before=made.charge))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_not_payable")


async def test_an_invoice_that_is_gone_decides_nothing(gateway: StripeGateway) -> None:
    assert (await gateway.reconcile(order_for("in_gone"))).reason == "invoice_missing"


@pytest.mark.parametrize("path", ["/v1/invoices/*", "/v1/payment_intents/*"])
async def test_what_could_not_be_read_is_unavailable(box: SandboxClient, gateway: StripeGateway, path: str) -> None:
    made = await box.create_failed_invoice()
    await box.add_fault(path, "error:503")
    with pytest.raises(ProviderUnavailable, match="503"):
        await gateway.reconcile(order_for(made.invoice))
