"""A worker is asked to stop while three providers take their time."""

import asyncio
import time

import pytest

from devstack.children import WORKER_GRACE_SECONDS
from tests.support.world import Recovery, World


async def charging(recovery: Recovery) -> None:
    """Somebody asks for the charge; the provider has the request and does not answer yet."""
    assert (await recovery.ask("retry")).status_code in {200, 202}


@pytest.mark.quiet
async def test_slow_calls_on_three_queues_are_all_written_down(world: World) -> None:
    """Longer together than a worker used to wait: a read of 15 seconds and a charge of 18."""
    stripe = await world.fails("card_velocity_exceeded", script=("hang:18",))
    adyen = await world.fails_at_adyen("Not enough balance", script=("hang:18",))
    braintree = await world.fails_at_braintree("2001", script=("hang:18",))
    recoveries = (stripe, adyen, braintree)
    for recovery in recoveries:
        await recovery.until_event("retry.planned")
    await world.sandbox.fault(f"/v1/invoices/{stripe.invoice}", "hang:15")
    asked = [asyncio.create_task(charging(recovery)) for recovery in recoveries]
    await asyncio.gather(adyen.until_asked(), braintree.until_asked())
    assert await stripe.pay_calls() == [], "its invoice is still being read"

    worker, began = world.stack.supervisor.child("worker"), time.monotonic()
    program = await asyncio.to_thread(world.stack.stop, "worker")
    took = time.monotonic() - began
    assert worker.exit_code() == 0
    assert took < WORKER_GRACE_SECONDS
    for recovery in recoveries:
        charged = await recovery.events("charge.requested", "charge.succeeded", "charge.unknown", "charge.reconciled")
        assert [row["type"] for row in charged] == ["charge.requested", "charge.succeeded"]

    world.stack.resume(program)
    world.stack.wait_ready()
    await asyncio.gather(*asked)
    for recovery in recoveries:
        await recovery.recovered_once(within=60)
        assert len(await recovery.pay_calls()) == 1
