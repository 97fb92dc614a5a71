"""Recoveries of Adyen's payments over the whole stack: nothing can be read, so webhooks and repeats must tell."""

from sandbox.models import Delivery
from tests.support.together import Together
from tests.support.world import OPENING, Recovery, World

together, a_day = Together(), Together(early=True)
"""A (compressed) day is long: those stories begin with the first one of all."""
WAIT = Delivery(wait=True)
SLOW = "Withdrawal count exceeded"


async def charged_by_hand(world: World, *script: str, **spec: object) -> Recovery:
    """A recovery whose first charge has been asked for; nothing is planned for a (compressed) day."""
    recovery = await world.fails_at_adyen(SLOW, script=script, **spec)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code in (200, 202)
    return recovery


@together
async def test_a_refused_subscription_is_charged_again_and_paid(world: World) -> None:
    recovery = await world.fails_at_adyen("Not enough balance", raw="51 : Insufficient funds", payment_method="mc")
    await recovery.recovered_once()
    assert await recovery.story() == [*OPENING, "charge.requested", "charge.succeeded", "recovery.closed"]
    classified = (await recovery.only("failure.classified"))["data"]
    assert (classified["cause"], classified["failure"]["network_code"]) == ("INSUFFICIENT_FUNDS", "51")
    (call,) = await recovery.pay_calls()
    requested = (await recovery.only("charge.requested"))["data"]
    assert call.idempotency_key == requested["idempotency_key"]
    assert call.params["reference"] == recovery.invoice
    assert (call.params["shopperInteraction"], call.params["recurringProcessingModel"]) == ("ContAuth", "Subscription")
    assert requested["counted_by"] == "card"


@together
async def test_an_answer_that_was_lost_is_settled_by_its_webhook_or_the_same_key(world: World) -> None:
    recovery = await charged_by_hand(world, "succeed_then_drop")
    await recovery.recovered_once()
    assert (await recovery.story())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]
    requested = await recovery.only("charge.requested")
    assert {call.idempotency_key for call in await recovery.pay_calls()} == {requested["data"]["idempotency_key"]}


@a_day
async def test_a_decline_goes_on_with_the_ladder_and_its_echo_changes_nothing(world: World) -> None:
    recovery = await charged_by_hand(world, "decline:12;network=51")
    await recovery.until_event("charge.declined")
    await world.adyen.idle()
    assert await recovery.events("payment.failed") == [(await recovery.events())[0]]
    await recovery.recovered_once()


@together
async def test_while_auto_rescue_is_scheduled_we_stand_back(world: World) -> None:
    recovery = await world.fails_at_adyen("Not enough balance", rescue_scheduled=True)
    skipped = (await recovery.until_event("retry.skipped"))[0]["data"]
    assert skipped["reason"] == "provider_retry"
    assert await recovery.pay_calls() == []
    await world.adyen.happens(recovery.invoice, "AUTORESCUE", delivery=WAIT)
    assert (await recovery.until("recovered"))["state"] == "recovered"
    assert await recovery.pay_calls() == []
    assert (await recovery.only("invoice.paid_elsewhere"))["data"]["event_type"] == "AUTORESCUE"


@together
async def test_when_auto_rescue_gives_up_it_is_our_turn(world: World) -> None:
    recovery = await world.fails_at_adyen("Not enough balance", rescue_scheduled=True)
    await recovery.until_event("retry.skipped")
    await world.adyen.happens(recovery.invoice, "AUTORESCUE", success=False, delivery=WAIT)
    await recovery.recovered_once()
    assert len(await recovery.events("payment.failed")) == 2
    assert {row["data"]["cause"] for row in await recovery.events("failure.classified")} == {"INSUFFICIENT_FUNDS"}


@together
async def test_a_new_token_is_charged_in_place_of_a_dead_one(world: World) -> None:
    recovery = await world.fails_at_adyen("Blocked Card", customer_id="shopper_new_token")
    await recovery.until("awaiting_customer")
    token = {"recurring.recurringDetailReference": "NEWTOKEN00000001"}
    await world.adyen.happens(recovery.invoice, "RECURRING_CONTRACT", additional=token, delivery=WAIT)
    await recovery.recovered_once()
    (call,) = await recovery.pay_calls()
    assert call.params["paymentMethod"]["storedPaymentMethodId"] == "NEWTOKEN00000001"


@together
async def test_a_chargeback_ends_it(world: World) -> None:
    recovery = await world.fails_at_adyen(SLOW)
    await recovery.until_event("retry.planned")
    await world.adyen.happens(recovery.invoice, "NOTIFICATION_OF_CHARGEBACK", reason="fraud", delivery=WAIT)
    await recovery.ended_unpaid("blocked")


@together
async def test_batches_repeats_and_the_wrong_order_make_one_recovery_each(world: World) -> None:
    first, second = [await world.adyen.create_failed_payment(decline_code=SLOW) for _ in range(2)]
    events = (second.event, first.event, first.event)
    (batch,) = (await world.adyen.send_batch(*events, delivery=Delivery(wait=True, copies=3))).deliveries[:1]
    assert batch.status == 202
    assert len(batch.body["items"]) == 3
    late = Delivery(wait=True, reverse=True, copies=2)
    await world.adyen.happens(first.invoice, "AUTHORISATION", success=False, reason=SLOW, delivery=late)
    for made in (first, second):
        recovery = world.known(made.invoice, "adyen")
        await recovery.until_event("retry.planned")
        assert (await recovery.ask("cancel")).status_code == 200
        await recovery.ended_unpaid("canceled")


@together
async def test_a_batch_with_one_bad_signature_is_refused_as_a_whole(world: World) -> None:
    made = await world.adyen.create_failed_payment(decline_code=SLOW)
    foreign = Delivery(wait=True, secret="00" * 32, retry=False)
    (refused,) = (await world.adyen.send_events(made.event, delivery=foreign)).deliveries
    assert refused.status == 400
    answer = await world.api.get(f"/v1/recoveries/adyen/{made.invoice}")
    assert answer.status_code == 404
