"""The worker dies at the worst moment: between the provider's success and the row that would say so."""

import asyncio
import os
import signal

from tests.support.world import Recovery, World

SLOW = "card_velocity_exceeded"


async def asked_to_charge(world: World, script: str) -> Recovery:
    """A recovery whose pay call is being answered by the provider right now."""
    recovery = await world.fails(SLOW, script=(script,))
    await recovery.until_event("retry.planned")
    asked = asyncio.create_task(recovery.ask("retry"))
    await recovery.until_asked()
    assert (await asked).status_code in (200, 202)
    return recovery


async def test_kill_9_between_the_success_and_the_recorded_result(world: World) -> None:
    sleeping = await world.fails(SLOW)
    await sleeping.until_event("retry.planned")
    scripts = ("succeed_then_hang:6", "hang:5", "hang:5:decline:insufficient_funds", "succeed_then_hang:6")
    paid, pending, declined, canceled = await asyncio.gather(*(asked_to_charge(world, script) for script in scripts))
    due = await world.fails("insufficient_funds")  # falls due while nobody works
    for recovery in (paid, canceled):
        assert len(await recovery.charges()) == 1
    for recovery in (paid, pending, declined, canceled):
        assert (await recovery.story())[-1] == "charge.requested"
    killed = world.stack.pid("worker")
    os.kill(killed, signal.SIGKILL)
    assert (await canceled.ask("cancel")).status_code == 202  # nobody answers: kept as a signal
    world.stack.wait_ready()
    assert world.stack.pid("worker") != killed

    for recovery in (paid, pending, canceled):
        await recovery.recovered_once(within=60)
        assert (await recovery.events("charge.succeeded", "charge.reconciled"))[0]["attempt"] == 1
        await under_one_key(recovery)
    await declined.until_event("retry.planned", 2, within=60)
    await under_one_key(declined)
    assert (await declined.ask("cancel")).status_code == 200
    await declined.ended_unpaid("canceled")
    await due.recovered_once(within=60)
    assert (await sleeping.ask("retry")).status_code == 200
    await sleeping.recovered_once()


async def under_one_key(recovery: Recovery) -> None:
    """One attempt was asked for, however often it was sent."""
    requested = await recovery.only("charge.requested")
    keys = {call.idempotency_key for call in await recovery.pay_calls()}
    assert keys == {requested["data"]["idempotency_key"]}


async def test_a_worker_that_is_asked_to_end_finishes_its_charge(world: World) -> None:
    recovery = await asked_to_charge(world, "hang:3")
    world.stack.restart("worker")
    world.stack.wait_ready()
    await recovery.recovered_once(within=60)
    assert len(await recovery.pay_calls()) == 1
    assert "charge.unknown" not in await recovery.story()


async def test_the_provider_dies_while_it_charges(world: World) -> None:
    recovery = await asked_to_charge(world, "hang:2")
    due = await world.fails("insufficient_funds")
    world.stack.kill("sandbox")
    world.stack.wait_ready()
    await recovery.recovered_once(within=60)
    await under_one_key(recovery)
    await due.recovered_once(within=60)
