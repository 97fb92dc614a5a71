"""Braintree charges over real HTTP: the call for each kind of invoice, and what is never sent."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, InvoiceStatus, Outcome
from providers.braintree.charging import CLOCK_SKEW
from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.models import Card
from tests.providers.braintree.orders import order_for
from tests.providers.contract.braintree_subject import sandbox_config

Sandbox: TypeAlias = BraintreeSandboxClient
Gateway: TypeAlias = BraintreeGateway


async def test_a_subscription_is_retried_by_braintrees_own_call(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    result = await gateway.charge(order_for(failed_payment))
    assert result.outcome is Outcome.SUCCEEDED
    (call,) = await box.pay_calls(failed_payment.invoice)
    parameters = {key: call.params.get(key) for key in ("subscription_id", "amount", "options", "type")}
    options = {"submit_for_settlement": "true"}
    assert parameters == {
        "subscription_id": failed_payment.subscription,
        "amount": "20.00",
        "options": options,
        "type": "sale",
    }
    (line,) = await box.read_ledger(failed_payment.invoice)
    assert (line.charge, line.amount) == (result.charge_id, 2000)


async def test_single_order_is_charged_in_its_original_merchant_account(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, invoice_id="order/7")
    assert (await gateway.charge(order_for(failed_payment))).outcome is Outcome.SUCCEEDED
    (call,) = await box.pay_calls(failed_payment.invoice)
    assert call.params["order_id"] == failed_payment.invoice
    assert call.params["payment_method_token"] == failed_payment.payment_method
    assert call.params["merchant_account_id"] == "sandbox_account", "the account decides which currency is charged"
    assert call.params["transaction_source"] == "unscheduled"


async def test_order_id_that_looks_like_a_period_is_still_an_order(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, invoice_id="lunch-2026-11-01")
    assert (await gateway.charge(order_for(failed_payment))).outcome is Outcome.SUCCEEDED
    assert (await gateway.read_invoice("lunch-2026-11-01")).status is InvoiceStatus.PAID


async def test_a_new_method_becomes_the_subscriptions_first(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    token = await box.store_card(failed_payment.customer, Card(last4="4242", brand="mastercard"))
    assert (await gateway.charge(order_for(failed_payment, method_id=token))).outcome is Outcome.SUCCEEDED
    (line,) = await box.read_ledger(failed_payment.invoice)
    assert line.payment_method == token


@pytest.mark.parametrize("subscription", [True, False])
async def test_removed_named_method_is_unfit_and_no_decline(box: Sandbox, gateway: Gateway, subscription: bool) -> None:
    failed_payment = await box.create_failed_payment(subscription=subscription)
    result = await gateway.charge(order_for(failed_payment, method_id="gone"))
    assert (result.outcome, result.reason, result.charge_id) == (Outcome.NOT_CHARGED, UNFIT_METHOD, None)
    assert result.failure.code is None
    assert await box.read_ledger(failed_payment.invoice) == []


async def test_removed_default_method_counts_as_no_method(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    await box.delete_method(failed_payment.payment_method)
    result = await gateway.charge(order_for(failed_payment))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, NO_METHOD)
    assert await box.read_ledger(failed_payment.invoice) == []


async def test_a_new_method_pays_for_a_single_order(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    token = await box.store_card(failed_payment.customer)
    assert (await gateway.charge(order_for(failed_payment, method_id=token))).outcome is Outcome.SUCCEEDED
    (line,) = await box.read_ledger(failed_payment.invoice)
    assert line.payment_method == token


async def test_without_a_stored_method_nothing_is_sent(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, vaulted=False)
    result = await gateway.charge(order_for(failed_payment, last_method_id=None))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, NO_METHOD)
    assert result.failure.code is None, "that nothing is stored is no bank's word"
    assert await box.pay_calls(failed_payment.invoice) == []


@pytest.mark.parametrize("subscription", [True, False])
async def test_another_currency_than_before_is_never_charged(
    box: Sandbox, gateway: Gateway, subscription: bool
) -> None:
    failed_payment = await box.create_failed_payment(subscription=subscription)
    result = await gateway.charge(order_for(failed_payment, currency="EUR"))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "currency_mismatch")
    assert await box.pay_calls(failed_payment.invoice) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("subscription_charged_successfully", "invoice_paid"), ("subscription_canceled", "invoice_not_payable")],
)
async def test_paid_or_closed_invoice_is_not_charged(box: Sandbox, gateway: Gateway, kind: str, reason: str) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, kind)
    result = await gateway.charge(order_for(failed_payment))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, reason)
    assert await box.pay_calls(failed_payment.invoice) == []


async def test_past_billing_period_is_never_charged(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(invoice_id="subold-2026-11-01")
    result = await gateway.charge(order_for(failed_payment, invoice_id="subold-2026-10-01"))
    assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_not_payable")
    assert await box.pay_calls(failed_payment.invoice) == []


async def test_missing_invoice_is_not_charged(gateway: Gateway, box: Sandbox) -> None:
    failed_payment = await box.create_failed_payment()
    for name in ("nowhere", "sub0-2026-11-01"):
        result = await gateway.charge(order_for(failed_payment, invoice_id=name))
        assert (result.outcome, result.reason) == (Outcome.NOT_CHARGED, "invoice_missing")


async def wait_for_pay_call(box: Sandbox, invoice: str) -> None:
    """Returns once a pay call has reached Braintree."""
    for _ in range(500):
        if await box.pay_calls(invoice):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was sent")


async def test_charge_of_a_meanwhile_paid_invoice_is_not_executed(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(script=("hang:1",))
    charging = asyncio.create_task(gateway.charge(order_for(failed_payment)))
    await wait_for_pay_call(box, failed_payment.invoice)
    await box.report_event(failed_payment.invoice, "subscription_charged_successfully")
    result = await charging
    assert (result.outcome, result.reason, result.charge_id) == (Outcome.NOT_CHARGED, "not_past_due", None)
    assert len(await box.read_ledger(failed_payment.invoice)) == 1


@pytest.mark.parametrize(("status", "code"), [(401, "authentication_error"), (403, "authorization_error")])
async def test_missing_permission_is_a_configuration_failure(
    box: Sandbox, gateway: Gateway, status: int, code: str
) -> None:
    failed_payment = await box.create_failed_payment(script=(f"error:{status}",))
    result = await gateway.charge(order_for(failed_payment))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, code)


@pytest.mark.parametrize("subscription", [True, False])
async def test_pay_call_that_finds_nothing_has_no_definite_result(
    box: Sandbox, gateway: Gateway, subscription: bool
) -> None:
    """Braintree documents no 404 for pay calls: it may be a proxy's word about a request that went through."""
    failed_payment = await box.create_failed_payment(script=("error:404",), subscription=subscription)
    result = await gateway.charge(order_for(failed_payment))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "http_404")


async def test_failed_read_prevents_the_charge(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    await box.add_fault(f"/braintree/merchants/*/subscriptions/{failed_payment.subscription}", "error:503")
    with pytest.raises(ProviderUnavailable):
        await gateway.charge(order_for(failed_payment))
    assert await box.pay_calls(failed_payment.invoice) == []


async def test_hanging_charge_does_not_block_the_event_loop(box: Sandbox, gateway: Gateway) -> None:
    slow = await box.create_failed_payment(script=("hang:1",))
    quick = await box.create_failed_payment()
    waiting = asyncio.create_task(gateway.charge(order_for(slow)))
    assert (await gateway.charge(order_for(quick))).outcome is Outcome.SUCCEEDED
    assert not waiting.done()
    assert (await waiting).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(("amount", "text"), [(1, "0.01"), (123_456, "1234.56")])
async def test_amounts_are_decimal(box: Sandbox, gateway: Gateway, amount: int, text: str) -> None:
    failed_payment = await box.create_failed_payment(amount=amount)
    await gateway.charge(order_for(failed_payment, amount=amount))
    assert (await box.pay_calls(failed_payment.invoice))[0].params["amount"] == text


async def test_amounts_of_zero_decimal_currencies_have_no_decimals(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(amount=1500, currency="JPY")
    assert (await gateway.read_invoice(failed_payment.invoice)).amount_due == 1500
    assert (await gateway.charge(order_for(failed_payment, amount=1500, currency="JPY"))).outcome is Outcome.SUCCEEDED
    assert (await box.pay_calls(failed_payment.invoice))[0].params["amount"] == "1500"


@pytest.mark.parametrize("subscription", [True, False])
@pytest.mark.parametrize("script", ["succeed_then_drop", "succeed_then_error:500", "malformed"])
async def test_a_lost_success_is_found_by_searching(
    box: Sandbox, gateway: Gateway, script: str, subscription: bool
) -> None:
    failed_payment = await box.create_failed_payment(script=(script,), subscription=subscription)
    order = order_for(failed_payment)
    assert (await gateway.charge(order)).outcome is Outcome.UNKNOWN
    result = await gateway.reconcile(order)
    (line,) = await box.read_ledger(failed_payment.invoice)
    assert (result.outcome, result.charge_id) == (Outcome.SUCCEEDED, line.charge)


@pytest.mark.parametrize("subscription", [True, False])
async def test_a_lost_decline_is_found_with_its_reason(box: Sandbox, address: str, subscription: bool) -> None:
    failed_payment = await box.create_failed_payment(script=("hang:1.5:decline:2004",), subscription=subscription)
    order, hasty = order_for(failed_payment), BraintreeGateway(sandbox_config(address), call_seconds=0.5)
    assert (await hasty.charge(order)).reason == "timeout"
    assert (await hasty.reconcile(order)).outcome is Outcome.UNKNOWN, "Braintree is still at it"
    await asyncio.sleep(1.5)
    result = await hasty.reconcile(order)
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, "2004")
    await hasty.close()


async def test_charge_that_is_not_found_stays_unknown(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(script=("drop",))
    order = order_for(failed_payment)
    await gateway.charge(order)
    for _ in range(3):
        assert (await gateway.reconcile(order)).reason == "not_found"
    assert len(await box.pay_calls(failed_payment.invoice)) == 1


async def test_older_transactions_and_braintrees_own_failures_decide_nothing(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(
        script=("drop",), created=int(datetime.now(UTC).timestamp()) - 3600
    )
    order = order_for(failed_payment, charge_before=None)
    await gateway.charge(order)
    assert (await gateway.reconcile(order)).reason == "not_found", "the failure of an hour ago is not ours"
    await box.report_event(failed_payment.invoice, "subscription_charged_unsuccessfully")
    assert (await gateway.reconcile(order)).reason == "not_found", "Braintree's own retry failed beside ours"
    await box.report_event(failed_payment.invoice, "subscription_charged_successfully")
    assert (await gateway.reconcile(order)).outcome is Outcome.SUCCEEDED, "money is money"


async def test_only_transactions_since_the_order_count(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    later = order_for(
        failed_payment, charge_before=None, requested_at=datetime.now(UTC) + CLOCK_SKEW + timedelta(seconds=2)
    )
    assert (await gateway.reconcile(later)).reason == "not_found"


async def test_closing_ends_its_threads(address: str) -> None:
    gateway_to_close = BraintreeGateway(sandbox_config(address), call_seconds=1)
    await gateway_to_close.read_invoice("nowhere")
    assert any(thread.name.startswith("braintree") for thread in threading.enumerate())
    await gateway_to_close.close()


async def test_transaction_reported_as_failed_is_no_payment_although_it_reads_settled(
    box: Sandbox, gateway: Gateway
) -> None:
    """It existed when the charge was decided on: charging again is right, `invoice_paid` would be wrong."""
    failed_payment = await box.create_failed_payment(subscription=False)
    await box.report_event(failed_payment.invoice, "transaction_settled")
    view = await gateway.read_invoice(failed_payment.invoice)
    assert view.status is InvoiceStatus.PAID
    order = order_for(failed_payment).model_copy(update={"charge_before": view.latest_charge_id})
    assert (await gateway.charge(order)).outcome is Outcome.SUCCEEDED
    assert (await gateway.charge(order)).reason == "invoice_paid", "by the second payment"
