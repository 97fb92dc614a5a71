"""A worker is asked to stop while three providers answer slowly."""

import asyncio
import time

import pytest

from devstack.programs import WORKER_GRACE_SECONDS
from tests.support.service import Recovery, RunningService


async def start_charge(recovery: Recovery) -> None:
    """Submits a retry and waits until the provider has the request, which it doesn't answer yet."""
    assert (await recovery.submit_command("retry")).status_code in {200, 202}


@pytest.mark.quiet
async def test_slow_calls_on_three_queues_are_all_recorded(service: RunningService) -> None:
    """A read of 15 seconds and a charge of 18: longer together than one worker's grace."""
    stripe = await service.create_failure("card_velocity_exceeded", script=("hang:18",))
    adyen = await service.create_adyen_failure("Not enough balance", script=("hang:18",))
    braintree = await service.create_braintree_failure("2001", script=("hang:18",))
    recoveries = (stripe, adyen, braintree)
    for recovery in recoveries:
        await recovery.wait_for_event("retry.planned")
    await service.sandbox.add_fault(f"/v1/invoices/{stripe.invoice}", "hang:15")
    requests = [asyncio.create_task(start_charge(recovery)) for recovery in recoveries]
    await asyncio.gather(adyen.wait_for_pay_calls(), braintree.wait_for_pay_calls())
    assert await stripe.fetch_pay_calls() == [], "its invoice is still being read"

    worker, began = service.stack.supervisor.child("worker"), time.monotonic()
    program = await asyncio.to_thread(service.stack.stop, "worker")
    took = time.monotonic() - began
    assert worker.exit_code() == 0
    assert took < WORKER_GRACE_SECONDS
    for recovery in recoveries:
        charged = await recovery.fetch_events(
            "charge.requested", "charge.succeeded", "charge.unknown", "charge.reconciled"
        )
        assert [row["type"] for row in charged] == ["charge.requested", "charge.succeeded"]

    service.stack.start_program(program)
    service.stack.wait_ready()
    await asyncio.gather(*requests)
    for recovery in recoveries:
        await recovery.wait_for_one_payment(timeout_seconds=60)
        assert len(await recovery.fetch_pay_calls()) == 1
