"""Stripe over the whole stack: scope, chargeable methods, pending payments, test clocks."""

from typing import Any

from sandbox.models import Delivery
from sandbox.stripe.models import FailedInvoiceIds
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import Recovery, RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True)
DAY = 86_400
SLOW_CODE = "card_velocity_exceeded"
"""Cools down for a day: long enough to change things before the first charge."""


async def ignore_reason(service: RunningService, **spec: Any) -> str:
    """The reason why the failure of such an invoice is ignored."""
    failed_invoice: FailedInvoiceIds = await service.sandbox.create_failed_invoice(delivery=WAIT_FOR_DELIVERY, **spec)
    (delivery,) = failed_invoice.deliveries
    assert (delivery.status, delivery.body["status"]) == (202, "ignored"), delivery.body
    assert await service.sandbox.pay_calls(failed_invoice.invoice) == []
    return str(delivery.body["reason"])


async def assert_waits(recovery: Recovery) -> Recovery:
    """Asserts that the recovery waits for its customer and nothing was charged."""
    await recovery.wait_for_state("awaiting_customer")
    assert await recovery.fetch_pay_calls() == []
    return recovery


@together
async def test_out_of_scope_invoices_are_ignored_by_their_webhook(service: RunningService) -> None:
    assert "send_invoice" in await ignore_reason(service, invoice_fields={"collection_method": "send_invoice"})
    assert "other_application" in await ignore_reason(service, invoice_fields={"application": "ca_other"})
    assert "acct_1Connected" in await ignore_reason(service, account="acct_1Connected")


@together
async def test_incomplete_checkout_ends_as_out_of_scope(service: RunningService) -> None:
    first = {"billing_reason": "subscription_create"}
    recovery = await service.create_failure(invoice_fields=first, subscription_fields={"status": "incomplete"})
    assert (await recovery.wait_for_unpaid_end("canceled"))["state"] == "canceled"
    assert (await recovery.fetch_only_event("recovery.closed"))["data"]["reason"] == "out_of_scope"
    assert await recovery.fetch_pay_calls() == []


@together
async def test_a_subscription_that_was_over_before_is_not_charged(service: RunningService) -> None:
    recovery = await service.create_failure(subscription_fields={"status": "canceled"})
    await recovery.wait_for_unpaid_end("canceled")
    assert (await recovery.fetch_only_event("recovery.closed"))["data"]["reason"] == "subscription_ended"
    assert await recovery.fetch_pay_calls() == []


@together
async def test_switch_to_sent_invoices_ends_the_recovery_before_the_charge(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    change: Any = {"collection_method": "send_invoice"}
    await service.sandbox.change_object("subscriptions", recovery.ids.subscription or "", tell=False, **change)
    await recovery.wait_for_unpaid_end("canceled")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_recovery_without_a_method_waits_for_one(service: RunningService) -> None:
    recovery = await assert_waits(await service.create_failure(no_method=True))
    await service.sandbox.add_card(recovery.customer, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_direct_debits_are_not_charged(service: RunningService) -> None:
    await assert_waits(await service.create_failure(method_type="us_bank_account", network_decline_code="R01"))


@together
async def test_a_transfer_needs_no_authentication(service: RunningService) -> None:
    transfer = {"method_type": "customer_balance", "next_action": "display_bank_transfer_instructions"}
    recovery = await assert_waits(await service.create_failure(requires_action=True, **transfer))
    causes = {row["data"]["cause"] for row in await recovery.fetch_events("failure.classified")}
    assert "AUTHENTICATION_REQUIRED" not in causes


@together
async def test_a_method_that_cannot_be_charged_leaves_the_schedule(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    method = {"id": "pm_gone", "object": "payment_method", "type": "card", "customer": recovery.customer}
    body = {"id": f"evt_{recovery.invoice}", "object": "event", "type": "payment_method.attached", "livemode": False}
    created = await service.sandbox.advance_clock()
    assert (await service.post_webhook(body | {"created": created, "data": {"object": method}})).status_code == 202
    await recovery.wait_for_one_payment()
    named = [call.params.get("payment_method") for call in await recovery.fetch_pay_calls()]
    assert named == ["pm_gone", None]


@together
async def test_second_pending_payment_is_waited_for(service: RunningService) -> None:
    recovery = await service.create_unreported_failure()
    events = (await service.sandbox.add_card(recovery.customer, type="us_bank_account", set_default=False)).events
    debit = (await service.sandbox.read_event(events[0]["id"]))["data"]["object"]["id"]
    await service.sandbox.add_partial_payment(recovery.invoice, 500, "processing", payment_method=debit)
    await recovery.send_event("invoice.payment_failed", delivery=WAIT_FOR_DELIVERY)
    skip = (await recovery.wait_for_event("retry.skipped"))[0]["data"]
    assert (skip["action"], skip["reason"]) == ("stand_back", "payment_under_way")
    assert await recovery.fetch_pay_calls() == []
    await service.sandbox.finish_debit(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    part = (await recovery.wait_for_event("invoice.paid_elsewhere"))[0]["data"]
    assert (part["amount"], part["remaining"]) == (500, 1500)
    assert await recovery.fetch_pay_calls() == []


@together
async def test_rest_is_charged_after_a_partial_payment(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE, amount=10_000)
    await recovery.wait_for_event("retry.planned")
    await service.sandbox.add_partial_payment(recovery.invoice, 3_000, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_state("recovered")
    assert [line.amount for line in await recovery.fetch_charges()] == [3_000, 7_000]


@together
async def test_refused_api_key_goes_to_review(service: RunningService) -> None:
    failed_invoice = await service.sandbox.create_failed_invoice()
    await service.sandbox.add_fault(f"/v1/invoices/{failed_invoice.invoice}", "error:401", times=10_000)
    recovery = Recovery(service, failed_invoice)
    await recovery.send_event("invoice.payment_failed", delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_state("in_review")
    assert await recovery.fetch_pay_calls() == []


@together
async def test_test_clock_ahead_does_not_delay_the_recovery(service: RunningService) -> None:
    ahead = await service.sandbox.advance_clock() + 120 * DAY
    recovery = await service.create_failure(test_clock=await service.sandbox.create_test_clock(ahead))
    await recovery.wait_for_one_payment()


@together
async def test_money_returned_after_recovery(service: RunningService) -> None:
    recovery = await service.create_failure()
    await recovery.wait_for_one_payment()
    await service.sandbox.refund_payment(recovery.invoice, 700, delivery=WAIT_FOR_DELIVERY)
    refunded = (await recovery.wait_for_event("payment.refunded"))[0]["data"]
    assert (refunded["amount"], refunded["kind"], refunded["currency"]) == (700, "refund", "USD")
    await service.sandbox.open_dispute(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    reversed_ = (await recovery.wait_for_event("payment.reversed"))[0]["data"]
    assert (reversed_["amount"], reversed_["kind"]) == (2000, "chargeback")
    assert (await recovery.fetch_view())["state"] == "recovered"


@together
async def test_customer_pays_a_written_off_invoice(service: RunningService) -> None:
    recovery = await service.create_failure("lost_card")
    await recovery.wait_for_state("awaiting_customer")
    await service.sandbox.mark_uncollectible(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_unpaid_end("canceled")
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    assert (await recovery.wait_for_event("payment.late"))[0]["data"]["amount"] == 2000


@together
async def test_deleted_customer_is_not_charged(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await service.sandbox.delete_customer(recovery.customer, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_state("canceled")
    assert await recovery.fetch_pay_calls() == []
