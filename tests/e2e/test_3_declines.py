"""What each kind of refusal leads to, and what ends or holds a recovery from outside."""

import asyncio

from sandbox.models import Card, Delivery
from tests.support.together import Together
from tests.support.world import Recovery, World

together = Together()
WAIT = Delivery(wait=True)
SLOW = "card_velocity_exceeded"


async def awaiting(world: World, code: str) -> Recovery:
    """A recovery that waits for its customer and charges nothing."""
    recovery = await world.fails(code)
    await recovery.until("awaiting_customer")
    assert (await recovery.events())[-1]["type"] == "retry.skipped"
    return recovery


@together
async def test_a_card_refused_for_good_waits_for_another(world: World) -> None:
    recovery = await awaiting(world, "lost_card")
    await asyncio.sleep(5)  # longer than any first retry
    assert await recovery.pay_calls() == []
    await world.sandbox.new_card(recovery.customer, Card(last4="5556"), delivery=WAIT)
    await recovery.recovered_once()
    updated = await recovery.only("payment_method.updated")
    (call,) = await recovery.pay_calls()
    assert call.params["payment_method"] == updated["data"]["method_id"] != recovery.made.payment_method
    assert (await recovery.only("charge.requested"))["data"]["trigger"] == "payment_method_change"
    assert (await recovery.view())["attempts_used"] == 0


@together
async def test_a_new_card_that_fails_too_waits_for_yet_another(world: World) -> None:
    recovery = await awaiting(world, "pickup_card")
    await world.sandbox.script(recovery.invoice, "decline:lost_card")
    await world.sandbox.new_card(recovery.customer, Card(last4="1111"), delivery=WAIT)
    await recovery.until_event("charge.declined")
    await recovery.until_event("retry.skipped", 2)
    await recovery.until("awaiting_customer")
    await world.sandbox.new_card(recovery.customer, Card(last4="2222"), delivery=WAIT)
    await recovery.recovered_once()
    named = [call.params["payment_method"] for call in await recovery.pay_calls()]
    assert len(set(named)) == 2


@together
async def test_wrong_card_data_is_mended_by_the_card_updater(world: World) -> None:
    recovery = await awaiting(world, "expired_card")
    await world.sandbox.card_update(recovery.made.payment_method, exp_year=2035, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_a_stop_instruction_ends_it_at_once(world: World) -> None:
    recovery = await world.fails("revocation_of_all_authorizations")
    view = await recovery.ended_unpaid("blocked")
    assert (view["category"], view["cause"]) == ("HARD_DECLINE", "STOP_INSTRUCTION")
    assert await recovery.pay_calls() == []


@together
async def test_advice_not_to_try_again_wins_over_a_soft_code(world: World) -> None:
    recovery = await world.fails("insufficient_funds", advice_code="do_not_try_again")
    await recovery.until("awaiting_customer", "blocked")
    assert (await recovery.view())["category"] == "HARD_DECLINE"
    assert await recovery.pay_calls() == []


@together
async def test_the_customer_authenticates_on_the_hosted_page(world: World) -> None:
    recovery = await awaiting(world, "authentication_required")
    assert (await recovery.view())["until"]
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    view = await recovery.recovered_once()
    assert (view["cause"], view["close_reason"]) == ("AUTHENTICATION_REQUIRED", "paid_elsewhere")
    assert await recovery.pay_calls() == []


@together
async def test_a_payment_that_waits_for_its_customer_from_the_start(world: World) -> None:
    recovery = await world.fails("authentication_required", requires_action=True)
    await recovery.until("awaiting_customer")
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_a_code_that_nobody_knows_is_visible_and_slow(world: World) -> None:
    recovery = await world.fails("brand_new_code")
    await recovery.until_event("retry.planned")
    view = await recovery.view()
    assert (view["category"], view["cause"]) == ("REVIEW", "UNKNOWN")
    assert (await recovery.only("retry.planned"))["data"]["delay_seconds"] >= 24 * 3600
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_an_invoice_closed_at_the_provider_is_canceled(world: World) -> None:
    async def closed(close: str, reason: str) -> None:
        recovery = await world.fails(SLOW)
        await recovery.until_event("retry.planned")
        await getattr(world.sandbox, close)(recovery.invoice, delivery=WAIT)
        view = await recovery.ended_unpaid("canceled")
        assert view["close_reason"] == reason
        assert (await recovery.only("invoice.closed_elsewhere"))["data"]["why"] == reason
        assert await recovery.pay_calls() == []

    await asyncio.gather(
        closed("void", "voided"),
        closed("mark_uncollectible", "uncollectible"),
        closed("end_subscription", "subscription_ended"),
    )


@together
async def test_an_invoice_voided_without_a_word_is_never_charged(world: World) -> None:
    recovery = await world.fails("insufficient_funds", echo=False)
    await world.sandbox.void(recovery.invoice, delivery=Delivery(url="http://127.0.0.1:9/", retry=False))
    await recovery.ended_unpaid("canceled")
    assert await recovery.pay_calls() == []


@together
async def test_disputes_and_fraud_warnings_block(world: World) -> None:
    async def blocked(happening: str, kind: str) -> None:
        recovery = await world.fails(SLOW)
        await recovery.until_event("retry.planned")
        await getattr(world.sandbox, happening)(recovery.invoice, delivery=WAIT)
        view = await recovery.ended_unpaid("blocked")
        assert view["close_reason"] == kind
        assert (await recovery.only("dispute.opened"))["data"]["kind"] == kind
        assert await recovery.pay_calls() == []

    await asyncio.gather(blocked("dispute", "dispute"), blocked("early_fraud_warning", "early_fraud_warning"))


@together
async def test_a_suspicion_of_fraud_is_reviewed(world: World) -> None:
    approved, rejected = await asyncio.gather(world.fails("merchant_blacklist"), world.fails("fraudulent"))
    for recovery in (approved, rejected):
        await recovery.until("in_review")
        assert (await recovery.view())["cause"] == "FRAUD"
        await recovery.refused("retry", "fraud_hold")
    assert (await rejected.ask("review", decision="reject")).status_code == 200
    view = await rejected.ended_unpaid("blocked")
    assert view["close_reason"] == "rejected"
    answer = await approved.ask("review", decision="approve", reason="known customer")
    assert answer.status_code == 200, answer.text
    reviewed = await approved.only("operator.reviewed")
    assert reviewed["data"].items() >= {"decision": "approve", "reason": "known customer"}.items()
    await approved.until("awaiting_customer")
    assert await approved.pay_calls() == []
    await world.sandbox.new_card(approved.customer, delivery=WAIT)
    await approved.recovered_once()
