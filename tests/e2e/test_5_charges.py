"""Every way in which a pay call can end: one charge at most, one key an attempt, and the log tells what is known."""

from sandbox.models import Delivery
from tests.support.together import Together
from tests.support.world import Recovery, World

together = Together()
WAIT = Delivery(wait=True)
SLOW = "card_velocity_exceeded"


async def charged_by_hand(world: World, *script: str) -> Recovery:
    """A recovery whose first charge has been asked for; nothing is planned for a (compressed) day."""
    recovery = await world.fails(SLOW, script=script, echo=False)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code in (200, 202)
    return recovery


async def under_one_key(recovery: Recovery, calls: int) -> None:
    """The attempt was asked for once, and sent so many times under its one key."""
    requested = await recovery.only("charge.requested")
    sent = [call.idempotency_key for call in await recovery.pay_calls()]
    assert sent == [requested["data"]["idempotency_key"]] * calls, sent


@together
async def test_succeeded_but_the_answer_was_lost(world: World) -> None:
    recovery = await charged_by_hand(world, "succeed_then_drop")
    await recovery.recovered_once()
    story = await recovery.story()
    assert story[-4:] == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]
    await under_one_key(recovery, calls=1)  # reading told it


@together
async def test_succeeded_but_the_answer_was_an_error(world: World) -> None:
    recovery = await charged_by_hand(world, "succeed_then_error:500")
    await recovery.recovered_once()
    assert (await recovery.only("charge.reconciled"))["data"]["outcome"] == "succeeded"


@together
async def test_succeeded_but_the_answer_made_no_sense(world: World) -> None:
    recovery = await charged_by_hand(world, "malformed")
    await recovery.recovered_once()
    assert (await recovery.story())[-3:] == ["charge.unknown", "charge.reconciled", "recovery.closed"]


@together
async def test_the_connection_was_lost_and_nothing_was_charged(world: World) -> None:
    recovery = await charged_by_hand(world, "drop")
    await recovery.recovered_once()
    await under_one_key(recovery, calls=2)
    assert (await recovery.only("charge.unknown"))["data"]["reason"]


@together
async def test_a_conflict_is_asked_about_again(world: World) -> None:
    recovery = await charged_by_hand(world, "error:409")
    await recovery.recovered_once()
    await under_one_key(recovery, calls=2)


@together
async def test_a_rate_limit_is_waited_for_and_is_no_attempt(world: World) -> None:
    recovery = await charged_by_hand(world, "error:429:1")
    await recovery.recovered_once()
    await under_one_key(recovery, calls=2)
    assert (await recovery.story())[-3:] == ["charge.requested", "charge.succeeded", "recovery.closed"]


@together
async def test_an_error_of_the_provider_stays_unknown_until_something_is_known(world: World) -> None:
    recovery = await charged_by_hand(world, "error:500")
    await recovery.until_asked(2)
    assert (await recovery.view())["state"] == "charging"
    assert (await recovery.story())[-1] == "charge.unknown"
    await recovery.refused("retry", "in_flight")
    keys = {call.idempotency_key for call in await recovery.pay_calls()}
    assert len(keys) == 1
    assert await recovery.charges() == []
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    await recovery.recovered_once()
    assert len(await recovery.events("charge.requested")) == 1


@together
async def test_a_bank_that_wants_the_customer(world: World) -> None:
    recovery = await charged_by_hand(world, "requires_action")
    await recovery.until_event("charge.declined")
    await recovery.until("awaiting_customer")
    assert (await recovery.view())["cause"] == "AUTHENTICATION_REQUIRED"
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_a_decline_for_good_ends_the_ladder(world: World) -> None:
    recovery = await charged_by_hand(world, "decline:lost_card")
    await recovery.until("awaiting_customer")
    await recovery.refused("retry", "hard_decline")
    assert len(await recovery.pay_calls()) == 1
    await world.sandbox.new_card(recovery.customer, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_paid_by_the_customer_just_before_we_charge(world: World) -> None:
    recovery = await world.fails("insufficient_funds")
    silent = Delivery(url="http://127.0.0.1:9/", retry=False)
    await world.sandbox.pay_hosted(recovery.invoice, delivery=silent)
    await recovery.recovered_once()
    assert await recovery.pay_calls() == []
    assert (await recovery.only("invoice.paid_elsewhere"))["data"]["source"] == "read"


@together
async def test_a_provider_that_cannot_be_read_for_a_while(world: World) -> None:
    recovery = await world.failed("insufficient_funds")
    await world.sandbox.fault(f"/v1/invoices/{recovery.invoice}", "error:500", times=2)
    await world.sandbox.fault(f"/v1/invoices/{recovery.invoice}", "malformed", times=1)
    await recovery.send("invoice.payment_failed", delivery=WAIT)
    await recovery.recovered_once()
    assert (await recovery.only("failure.classified"))["data"]["cause"] == "INSUFFICIENT_FUNDS"
    await under_one_key(recovery, calls=1)
