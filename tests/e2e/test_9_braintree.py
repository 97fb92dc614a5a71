"""Recoveries of Braintree's payments over the whole stack: nothing may be sent twice, so searching must tell."""

import asyncio

from sandbox.braintree.instruments import Instrument
from sandbox.models import Delivery
from tests.support.together import Together
from tests.support.world import OPENING, Recovery, World

together, a_day = Together(), Together(early=True)
"""A (compressed) day is long: those stories begin with the first one of all."""
WAIT = Delivery(wait=True)
SLOW = "2002"


async def charged_by_hand(world: World, *script: str, **spec: object) -> Recovery:
    """A recovery whose first charge has been asked for; nothing is planned for a (compressed) day."""
    recovery = await world.fails_at_braintree(SLOW, script=script, **spec)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code in (200, 202)
    return recovery


@together
async def test_a_past_due_subscription_is_charged_again_and_paid(world: World) -> None:
    recovery = await world.fails_at_braintree("2001", network_code="51", card_type="MasterCard")
    await recovery.recovered_once()
    assert await recovery.story() == [*OPENING, "charge.requested", "charge.succeeded", "recovery.closed"]
    classified = (await recovery.only("failure.classified"))["data"]
    assert (classified["cause"], classified["failure"]["network_code"]) == ("INSUFFICIENT_FUNDS", "51")
    (call,) = await recovery.pay_calls()
    assert call.idempotency_key is None
    assert recovery.invoice.startswith(call.params["subscription_id"])
    assert (await recovery.only("charge.requested"))["data"]["counted_by"] == "card"


@together
async def test_a_single_order_is_sold_again_on_the_stored_method(world: World) -> None:
    recovery = await world.fails_at_braintree("2001", subscription=False)
    await recovery.recovered_once()
    (call,) = await recovery.pay_calls()
    assert call.params["order_id"] == recovery.invoice
    assert call.params["payment_method_token"]


@together
async def test_an_answer_that_was_lost_is_found_by_searching_and_never_asked_for_again(world: World) -> None:
    recovery = await charged_by_hand(world, "succeed_then_drop", echo=False)
    await recovery.recovered_once()
    assert (await recovery.story())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]
    assert len(await recovery.pay_calls()) == 1


@a_day
async def test_a_decline_goes_on_with_the_ladder_and_its_echo_changes_nothing(world: World) -> None:
    recovery = await charged_by_hand(world, "decline:2001;network=51")
    await recovery.until_event("charge.declined")
    await world.braintree.idle()
    assert await recovery.events("payment.failed") == [(await recovery.events())[0]]
    await recovery.recovered_once()


@together
async def test_a_dispute_ends_it(world: World) -> None:
    recovery = await world.fails_at_braintree(SLOW)
    await recovery.until_event("retry.planned")
    await world.braintree.happens(recovery.invoice, "dispute_opened", delivery=WAIT)
    await recovery.ended_unpaid("blocked")
    assert await recovery.pay_calls() == []


@together
async def test_money_that_braintree_gets_by_itself_ends_it(world: World) -> None:
    recovery = await world.fails_at_braintree(SLOW)
    await recovery.until_event("retry.planned")
    await world.braintree.happens(recovery.invoice, "subscription_charged_successfully", delivery=WAIT)
    assert (await recovery.until("recovered"))["state"] == "recovered"
    assert await recovery.pay_calls() == []


@together
async def test_a_debit_that_comes_back_opens_a_recovery_and_is_left_to_the_customer(world: World) -> None:
    box, debit = world.braintree, Instrument.US_BANK_ACCOUNT
    made = await box.create_failed_payment(instrument=debit, subscription=False, invoice_id="Order 1042 ")
    await box.happens(made.invoice, "transaction_settled", delivery=WAIT)
    await asyncio.sleep(1.1)  # Braintree's times are whole seconds, and what is paid later is old news
    back = "transaction_settlement_declined"
    await box.happens(made.invoice, back, decline_code="R01", delivery=WAIT)
    recovery = world.known(made.invoice, "braintree")
    await recovery.until("awaiting_customer")
    classified = (await recovery.only("failure.classified"))["data"]
    assert (classified["cause"], classified["failure"]["code"]) == ("INSUFFICIENT_FUNDS", "R01")
    assert await recovery.pay_calls() == []


@together
async def test_a_chargeback_behind_the_win_leaves_a_row_with_its_amount(world: World) -> None:
    recovery = await world.fails_at_braintree("2001", subscription=False)
    await recovery.recovered_once()
    await world.braintree.happens(recovery.invoice, "dispute_opened", amount=700, delivery=WAIT)
    row = (await recovery.until_event("payment.reversed"))[0]["data"]
    assert (row["kind"], row["amount"], row["currency"]) == ("chargeback", 700, "USD")
