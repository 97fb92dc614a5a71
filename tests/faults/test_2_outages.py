"""Temporal or PostgreSQL is away: nothing that was answered with 202 is lost, nothing is half-written."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.models import Delivery
from tests.support.world import OPENING, World

SLOW = "card_velocity_exceeded"


@asynccontextmanager
async def away(world: World, part: str) -> AsyncIterator[None]:
    """A part of the stack crashes and is gone for as long as the block runs; afterwards everything is ready again."""
    world.stack.kill(part)
    program = world.stack.stop(part)
    try:
        yield
    finally:
        world.stack.resume(program)
        world.stack.wait_ready()


async def test_temporal_is_away(world: World) -> None:
    sleeping, due = await asyncio.gather(world.fails(SLOW), world.fails("insufficient_funds"))
    await asyncio.gather(sleeping.until_event("retry.planned"), due.until_event("retry.planned"))
    async with away(world, "temporal"):
        began = time.monotonic()
        recoveries = await asyncio.gather(*(world.fails("insufficient_funds") for _ in range(20)))
        assert time.monotonic() - began < 5
        told = [recovery.made.deliveries[0] for recovery in recoveries]
        assert {(one.status, one.tries, one.body["status"]) for one in told} == {(202, 1, "accepted")}
        assert [one.body["recovery_id"] for one in told] == [recovery.id for recovery in recoveries]
        again = await recoveries[0].send("invoice.payment_failed", delivery=Delivery(wait=True))
        assert again.deliveries[0].body["status"] == "duplicate"
        assert {(await recovery.view())["state"] for recovery in recoveries} == {"received"}
        ready = await world.api.get("/readyz")
        assert ready.status_code == 503
        refused = await sleeping.ask("retry")
        assert (refused.status_code, refused.json()["code"]) == (503, "temporal_unavailable")
        assert refused.headers["retry-after"]
        await world.sandbox.pay_hosted(sleeping.invoice, delivery=Delivery(wait=True))
    await asyncio.gather(*(recovery.recovered_once(within=90) for recovery in (*recoveries, due, sleeping)))
    for recovery in recoveries:
        assert (await recovery.story())[:5] == OPENING
    assert (await sleeping.view())["close_reason"] == "paid_elsewhere"


async def test_postgresql_is_away(world: World) -> None:
    sleeping, due = await asyncio.gather(world.fails(SLOW), world.fails("insufficient_funds"))
    charging = await world.fails(SLOW, script=("hang:2",))
    for recovery in (sleeping, due, charging):
        await recovery.until_event("retry.planned")
    assert (await charging.ask("retry")).status_code == 200
    await charging.until_asked()
    refused = await world.failed("insufficient_funds")
    async with away(world, "postgres"):
        event = {"id": "evt_nowhere", "object": "event", "type": "x", "created": int(time.time()), "data": {}}
        for _ in range(3):
            began = time.monotonic()
            answer = await world.post(event)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"]
            assert answer.headers["content-type"] == "application/problem+json"
            assert time.monotonic() - began < 3
        told = await refused.send("invoice.payment_failed", delivery=Delivery(wait=True, retry=False))
        assert told.deliveries[0].status == 503
        assert (await world.api.get("/readyz")).status_code == 503
        listed = await world.api.get("/v1/recoveries")
        assert (listed.status_code, listed.json()["code"]) == (503, "database_unavailable")
        await asyncio.sleep(4)  # a charge falls due, and another has its answer, which nobody can write down
    assert (await world.api.get(refused.path)).status_code == 404
    told = await refused.send("invoice.payment_failed", delivery=Delivery(wait=True))
    assert told.deliveries[0].body["status"] == "accepted"
    for recovery in (due, charging, refused):
        await recovery.recovered_once(within=90)
    assert {call.idempotency_key for call in await charging.pay_calls()} == {
        (await charging.only("charge.requested"))["data"]["idempotency_key"]
    }
    assert (await sleeping.ask("retry")).status_code == 200
    await sleeping.recovered_once()


async def test_the_api_crashes(world: World) -> None:
    sending = Delivery(wait=True, copies=40, concurrency=20)
    failing = asyncio.create_task(world.fails("insufficient_funds", delivery=sending))
    await asyncio.sleep(0.1)
    world.stack.kill("api")
    recovery = await failing
    assert {one.status for one in recovery.made.deliveries} == {202}
    world.stack.wait_ready()
    await recovery.recovered_once(within=90)
