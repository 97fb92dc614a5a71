"""The same thing told twice, late, out of order, or by somebody else: one recovery, one charge."""

import asyncio
import json
import time

from sandbox.models import Delivery, Shape
from tests.support.together import Together
from tests.support.world import OPENING, Recovery, World

together = Together()
FAILED = "invoice.payment_failed"
WAIT = Delivery(wait=True)
SLOW = "card_velocity_exceeded"
"""Waits for a (compressed) day, so that there is time to say something."""


async def hundred_copies(world: World, shape: Shape) -> Recovery:
    """One event, a hundred times, fifty at once."""
    hammering = Delivery(wait=True, shape=shape, copies=100, concurrency=50, retry=False)
    recovery = await world.fails(delivery=hammering)
    answers = [(delivery.status, delivery.body["status"]) for delivery in recovery.made.deliveries]
    assert sorted(answers) == [(202, "accepted"), *[(202, "duplicate")] * 99]
    assert {delivery.body["recovery_id"] for delivery in recovery.made.deliveries} == {recovery.id}
    return recovery


async def once(recovery: Recovery) -> None:
    """One payment.failed, one run, one charge."""
    await recovery.recovered_once()
    assert await recovery.story() == [*OPENING, "charge.requested", "charge.succeeded", "recovery.closed"]
    query = f"WorkflowId='{recovery.id}'"
    listed = json.loads(await recovery.world.temporal("workflow", "list", "--query", query, "--output", "json"))
    assert len(listed) == 1


async def test_a_hundred_copies_of_one_event_are_one_recovery(world: World) -> None:
    for recovery in [await hundred_copies(world, Shape.BASIL), await hundred_copies(world, Shape.LEGACY)]:
        await once(recovery)


@together
async def test_other_events_about_the_same_attempt_change_nothing(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    for shape in (Shape.LEGACY, Shape.BASIL):
        again = Delivery(wait=True, shape=shape, copies=3, concurrency=3)
        (sent,) = {d.event for d in (await recovery.send(FAILED, fresh=True, delivery=again)).deliveries}
        assert sent != recovery.made.event
    await recovery.ask("retry")
    await recovery.recovered_once()
    assert (await recovery.story()).count("payment.failed") == 1


@together
async def test_the_echo_of_our_own_failed_charge_changes_nothing(world: World) -> None:
    echo = Delivery(copies=3, concurrency=3)
    recovery = await world.fails(SLOW, script=("decline:card_velocity_exceeded",), echo_delivery=echo)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code == 200
    await recovery.until_event("charge.declined")
    await world.sandbox.idle()
    await recovery.until_event("retry.planned", 2)
    await recovery.send(FAILED, fresh=True, delivery=WAIT)
    story = await recovery.story()
    assert story.count("payment.failed") == 1
    assert story.count("failure.classified") == 2
    assert (await recovery.ask("retry")).status_code == 200
    await recovery.recovered_once()


@together
async def test_paid_before_the_failure_was_told(world: World) -> None:
    recovery = await world.failed(SLOW)
    paid = await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    assert {delivery.status for delivery in paid.deliveries} == {202}
    assert (await world.api.get(recovery.path)).status_code == 404  # nothing has failed, as far as we know
    (told,) = (await recovery.send(FAILED, delivery=WAIT)).deliveries
    assert told.body["status"] == "accepted"
    await recovery.recovered_once()
    assert await recovery.pay_calls() == []
    assert await recovery.story() == ["payment.failed", "invoice.paid_elsewhere", "recovery.closed"]


@together
async def test_events_in_reverse_order(world: World) -> None:
    recovery = await world.fails(SLOW)
    await world.sandbox.pay_hosted(recovery.invoice, delivery=Delivery(wait=True, reverse=True, copies=2))
    view = await recovery.recovered_once()
    assert view["close_reason"] == "paid_elsewhere"
    assert await recovery.pay_calls() == []


@together
async def test_a_failure_told_after_the_success_is_late(world: World) -> None:
    recovery = await world.fails("insufficient_funds")
    await recovery.recovered_once()
    await world.sandbox.idle()
    assert "event.late" not in await recovery.story()
    later = await a_later_failure(recovery)
    for _ in range(2):
        (told,) = (await world.sandbox.send_raw(later, delivery=WAIT)).deliveries
        assert told.status == 202
    row = await recovery.only("event.late")
    assert row["data"]["event_id"] == later["id"]
    assert (await recovery.view())["state"] == "recovered"
    assert (await recovery.story())[-2:] == ["recovery.closed", "event.late"]
    assert (await recovery.send(FAILED, delivery=WAIT)).deliveries[0].body["status"] == "duplicate"


async def a_later_failure(recovery: Recovery) -> dict[str, object]:
    """The provider tells, a minute from now, of a second attempt of its own."""
    invoice = {
        "id": recovery.invoice, "object": "invoice", "customer": recovery.customer, "attempt_count": 2,
        "amount_due": 2000, "amount_remaining": 2000, "currency": "usd", "status": "open", "livemode": False,
    }  # fmt: skip
    return {
        "id": f"evt_late_{recovery.invoice}", "object": "event", "type": FAILED, "livemode": False,
        "api_version": "2026-10-28.endive", "created": int(time.time()) + 60, "data": {"object": invoice},
    }  # fmt: skip


@together
async def test_the_provider_tries_again_by_itself_and_fails(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    await asyncio.sleep(1.1)  # a provider counts in whole seconds
    await world.sandbox.provider_retry(recovery.invoice, "decline:insufficient_funds", delivery=WAIT)
    _, second = await recovery.until_event("payment.failed", 2)
    assert second["data"]["provider_attempt"] == 2
    await recovery.until_event("retry.planned", 2)
    view = await recovery.recovered_once()
    assert view["cause"] == "INSUFFICIENT_FUNDS"
    assert (await recovery.story()).count("customer.segmented") == 1


@together
async def test_the_provider_tries_again_by_itself_and_succeeds(world: World) -> None:
    recovery = await world.fails(SLOW)
    await recovery.until_event("retry.planned")
    await world.sandbox.provider_retry(recovery.invoice, "succeed", delivery=WAIT)
    view = await recovery.recovered_once()
    assert view["close_reason"] == "paid_elsewhere"
    assert [charge.origin for charge in await recovery.charges()] == ["provider_retry"]
    assert await recovery.pay_calls() == []


@together
async def test_we_stand_back_while_the_provider_means_to_try(world: World) -> None:
    soon = int(time.time()) + 3600
    recovery = await world.fails("insufficient_funds", next_payment_attempt=soon, auto_advance=True)
    (skipped,) = await recovery.until_event("retry.skipped")
    assert skipped["data"]["reason"] == "provider_retry"
    assert await recovery.pay_calls() == []
    await world.sandbox.provider_retry(recovery.invoice, "succeed", delivery=WAIT)
    await recovery.recovered_once()
