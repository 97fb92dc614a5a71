"""Stripe over the whole stack: whose claim it is, what would be charged, money on its way, whose clock counts."""

from typing import Any

from sandbox.models import Created, Delivery
from tests.support.together import Together
from tests.support.world import Recovery, World

together = Together()
WAIT = Delivery(wait=True)
DAY = 86_400
SLOW = "card_velocity_exceeded"
"""Cools down for a day: long enough to change things before the first charge."""


async def ignored(world: World, **spec: Any) -> str:
    """Why the failure of such an invoice is not taken."""
    made: Created = await world.sandbox.create_failed_invoice(delivery=WAIT, **spec)
    (delivery,) = made.deliveries
    assert (delivery.status, delivery.body["status"]) == (202, "ignored"), delivery.body
    assert await world.sandbox.pay_calls(made.invoice) == []
    return str(delivery.body["reason"])


async def waits(recovery: Recovery) -> Recovery:
    """It waits for its customer, and nothing was charged."""
    await recovery.until("awaiting_customer")
    assert await recovery.pay_calls() == []
    return recovery


@together
async def test_what_a_body_says_is_not_ours(world: World) -> None:
    assert "send_invoice" in await ignored(world, invoice_fields={"collection_method": "send_invoice"})
    assert "other_application" in await ignored(world, invoice_fields={"application": "ca_other"})
    assert "acct_1Connected" in await ignored(world, account="acct_1Connected")


@together
async def test_a_checkout_that_is_still_incomplete_is_left_alone(world: World) -> None:
    first = {"billing_reason": "subscription_create"}
    recovery = await world.fails(invoice_fields=first, subscription_fields={"status": "incomplete"})
    assert (await recovery.ended_unpaid("canceled"))["state"] == "canceled"
    assert (await recovery.only("recovery.closed"))["data"]["reason"] == "out_of_scope"
    assert await recovery.pay_calls() == []


@together
async def test_a_subscription_that_was_over_before_is_not_charged(world: World) -> None:
    recovery = await world.fails(subscription_fields={"status": "canceled"})
    await recovery.ended_unpaid("canceled")
    assert (await recovery.only("recovery.closed"))["data"]["reason"] == "subscription_ended"
    assert await recovery.pay_calls() == []


@together
async def test_a_switch_to_sent_invoices_ends_it_before_the_charge(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    change: Any = {"collection_method": "send_invoice"}
    await world.sandbox.change("subscriptions", recovery.made.subscription or "", tell=False, **change)
    await recovery.ended_unpaid("canceled")
    assert await recovery.pay_calls() == []


@together
async def test_without_any_method_it_waits_for_one(world: World) -> None:
    recovery = await waits(await world.fails(no_method=True))
    await world.sandbox.new_card(recovery.customer, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_a_debit_is_not_ours_to_try(world: World) -> None:
    await waits(await world.fails(method_type="us_bank_account", network_decline_code="R01"))


@together
async def test_a_transfer_needs_no_authentication(world: World) -> None:
    how = {"method_type": "customer_balance", "next_action": "display_bank_transfer_instructions"}
    recovery = await waits(await world.fails(requires_action=True, **how))
    causes = {row["data"]["cause"] for row in await recovery.events("failure.classified")}
    assert "AUTHENTICATION_REQUIRED" not in causes


@together
async def test_a_method_that_cannot_be_charged_leaves_the_schedule(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    gone = {"id": "pm_gone", "object": "payment_method", "type": "card", "customer": recovery.customer}
    body = {"id": f"evt_{recovery.invoice}", "object": "event", "type": "payment_method.attached", "livemode": False}
    created = await world.sandbox.advance_clock()
    assert (await world.post(body | {"created": created, "data": {"object": gone}})).status_code == 202
    await recovery.recovered_once()
    named = [call.params.get("payment_method") for call in await recovery.pay_calls()]
    assert named == ["pm_gone", None]


@together
async def test_a_second_payment_on_its_way_is_waited_for(world: World) -> None:
    recovery = await world.failed()
    events = (await world.sandbox.new_card(recovery.customer, type="us_bank_account", set_default=False)).events
    debit = (await world.sandbox.event(events[0]["id"]))["data"]["object"]["id"]
    await world.sandbox.part(recovery.invoice, 500, "processing", payment_method=debit)
    await recovery.send("invoice.payment_failed", delivery=WAIT)
    stood_back = (await recovery.until_event("retry.skipped"))[0]["data"]
    assert (stood_back["action"], stood_back["reason"]) == ("stand_back", "payment_under_way")
    assert await recovery.pay_calls() == []
    await world.sandbox.finish_debit(recovery.invoice, delivery=WAIT)
    part = (await recovery.until_event("invoice.paid_elsewhere"))[0]["data"]
    assert (part["amount"], part["remaining"]) == (500, 1500)
    assert await recovery.pay_calls() == []


@together
async def test_a_part_leaves_the_rest_to_be_charged(world: World) -> None:
    recovery = await world.fails(SLOW, amount=10_000)
    await recovery.until_event("retry.planned")
    await world.sandbox.part(recovery.invoice, 3_000, delivery=WAIT)
    await recovery.until("recovered")
    assert [line.amount for line in await recovery.charges()] == [3_000, 7_000]


@together
async def test_a_key_that_is_refused_is_a_matter_for_people(world: World) -> None:
    made = await world.sandbox.create_failed_invoice()
    await world.sandbox.fault(f"/v1/invoices/{made.invoice}", "error:401", times=10_000)
    recovery = Recovery(world, made)
    await recovery.send("invoice.payment_failed", delivery=WAIT)
    await recovery.until("in_review")
    assert await recovery.pay_calls() == []


@together
async def test_a_test_clock_ahead_is_no_reason_to_sleep(world: World) -> None:
    ahead = await world.sandbox.advance_clock() + 120 * DAY
    recovery = await world.fails(test_clock=await world.sandbox.test_clock(ahead))
    await recovery.recovered_once()


@together
async def test_money_that_goes_back_after_the_win(world: World) -> None:
    recovery = await world.fails()
    await recovery.recovered_once()
    await world.sandbox.refund(recovery.invoice, 700, delivery=WAIT)
    refunded = (await recovery.until_event("payment.refunded"))[0]["data"]
    assert (refunded["amount"], refunded["kind"], refunded["currency"]) == (700, "refund", "USD")
    await world.sandbox.dispute(recovery.invoice, delivery=WAIT)
    reversed_ = (await recovery.until_event("payment.reversed"))[0]["data"]
    assert (reversed_["amount"], reversed_["kind"]) == (2000, "chargeback")
    assert (await recovery.view())["state"] == "recovered"


@together
async def test_a_customer_pays_what_was_written_off(world: World) -> None:
    recovery = await world.fails("lost_card")
    await recovery.until("awaiting_customer")
    await world.sandbox.mark_uncollectible(recovery.invoice, delivery=WAIT)
    await recovery.ended_unpaid("canceled")
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    assert (await recovery.until_event("payment.late"))[0]["data"]["amount"] == 2000


@together
async def test_a_customer_who_is_deleted_is_left_alone(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    await world.sandbox.delete_customer(recovery.customer, delivery=WAIT)
    await recovery.until("canceled")
    assert await recovery.pay_calls() == []
