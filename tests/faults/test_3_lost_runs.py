"""A run of a recovery is lost: the log is the state, so another run goes on from there. A closed one stays closed."""

import asyncio
import json
import time

from sandbox.models import Delivery
from tests.support.world import Recovery, World

SLOW = "card_velocity_exceeded"
WAIT = Delivery(wait=True)
RELAYED = 60.0
"""The relay looks every ten seconds."""


async def tried_once(world: World) -> Recovery:
    """A recovery whose first attempt was declined, and whose run was then terminated."""
    recovery = await world.fails(SLOW, script=("decline:card_velocity_exceeded",), echo=False)
    await recovery.until_event("retry.planned")
    assert (await recovery.ask("retry")).status_code == 200
    await recovery.until_event("retry.planned", 2)
    await terminated(recovery)
    return recovery


async def terminated(recovery: Recovery) -> None:
    """Somebody terminates the run."""
    await recovery.world.temporal("workflow", "terminate", "--workflow-id", recovery.id, "--reason", "a test")


async def went_on(recovery: Recovery) -> None:
    """The second attempt is the second attempt, under a key of its own; the opening was not written again."""
    await recovery.recovered_once(within=RELAYED)
    first, second = await recovery.events("charge.requested")
    assert (first["attempt"], second["attempt"]) == (1, 2)
    keys = [row["data"]["idempotency_key"] for row in (first, second)]
    assert [call.idempotency_key for call in await recovery.pay_calls()] == keys
    assert len(await recovery.events("payment.failed")) == 1


async def test_terminated_runs_go_on_and_closed_ones_do_not(world: World) -> None:
    async def by_the_relay() -> None:
        recovery = await world.fails("insufficient_funds", script=("decline:insufficient_funds",), echo=False)
        await recovery.until_event("retry.planned", 2)
        await terminated(recovery)
        await went_on(recovery)  # nobody says anything: the relay finds it, and the next charge falls due

    async def by_the_next_event() -> None:
        recovery = await tried_once(world)
        await world.sandbox.new_card(recovery.customer, delivery=WAIT)
        await went_on(recovery)

    async def by_the_payment() -> None:
        recovery = await tried_once(world)
        await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
        await recovery.recovered_once(within=RELAYED)

    async def by_an_operator() -> None:
        recovery = await tried_once(world)
        answer = await recovery.ask("retry")
        assert answer.status_code == 200, answer.text
        await went_on(recovery)

    async def by_a_repeated_webhook() -> None:
        recovery = await tried_once(world)
        await recovery.send("invoice.payment_failed", fresh=True, delivery=WAIT)
        await asyncio.sleep(1)
        assert (await world.description(recovery.id))["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
        assert (await recovery.ask("retry")).status_code == 200
        await went_on(recovery)

    async def in_the_middle_of_a_charge() -> None:
        recovery = await world.fails(SLOW, script=("succeed_then_hang:4",))
        await recovery.until_event("retry.planned")
        asking = asyncio.create_task(recovery.ask("retry"))
        await recovery.until_asked()
        await terminated(recovery)
        await recovery.recovered_once(within=RELAYED)
        assert len({call.idempotency_key for call in await recovery.pay_calls()}) == 1
        assert (await asking).status_code in (200, 202, 409)

    stories = (by_the_relay, by_the_next_event, by_the_payment, by_an_operator, by_a_repeated_webhook,
               in_the_middle_of_a_charge)  # fmt: skip
    await asyncio.gather(not_reopened(world), *(story() for story in stories))


async def not_reopened(world: World) -> None:
    """Neither by a repeated webhook nor by a new event, whether or not Temporal still knows it."""
    paid, canceled = await asyncio.gather(world.fails(SLOW), world.fails(SLOW))
    for recovery in (paid, canceled):
        await recovery.until_event("retry.planned")
    assert (await paid.ask("retry")).status_code == 200
    await paid.recovered_once()
    assert (await canceled.ask("cancel")).status_code == 200
    await canceled.ended_unpaid("canceled")
    for _ in range(2):  # while Temporal knows them, and after it has forgotten them
        for recovery in (paid, canceled):
            story = await recovery.story()
            again = await recovery.send("invoice.payment_failed", delivery=WAIT)
            fresh = await recovery.send("invoice.payment_failed", fresh=True, delivery=WAIT)
            assert again.deliveries[0].body["status"] == "duplicate"
            assert fresh.deliveries[0].body["status"] in ("ignored", "accepted")  # accepted: not decided at once
            assert (await recovery.story())[: len(story)] == story
            assert {row["type"] for row in (await recovery.events())[len(story) :]} <= {"event.late"}
            await recovery.refused("retry", "closed")
        await asyncio.gather(forgotten(paid), forgotten(canceled))
    assert len(await paid.charges()) == 1
    assert await canceled.charges() == []
    assert await runs(paid) == await runs(canceled) == 0


async def forgotten(recovery: Recovery) -> None:
    """Temporal knows nothing of it any more."""
    if not await runs(recovery):
        return
    await recovery.world.temporal("workflow", "delete", "--workflow-id", recovery.id)
    deadline = time.monotonic() + 60
    while await runs(recovery):
        assert time.monotonic() < deadline
        await asyncio.sleep(1)


async def runs(recovery: Recovery) -> int:
    """How many runs of it Temporal knows."""
    query = f"WorkflowId='{recovery.id}'"
    return len(json.loads(await recovery.world.temporal("workflow", "list", "--query", query, "--output", "json")))
