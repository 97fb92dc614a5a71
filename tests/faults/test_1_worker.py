"""The worker dies between the provider's success and the row that would record it."""

import asyncio
import os
import signal

from tests.support.service import Recovery, RunningService

SLOW_CODE = "card_velocity_exceeded"


async def start_charge(service: RunningService, script: str) -> Recovery:
    """A recovery whose pay call is in progress."""
    recovery = await service.create_failure(SLOW_CODE, script=(script,))
    await recovery.wait_for_event("retry.planned")
    request = asyncio.create_task(recovery.submit_command("retry"))
    await recovery.wait_for_pay_calls()
    assert (await request).status_code in (200, 202)
    return recovery


async def test_worker_killed_between_success_and_recorded_result(service: RunningService) -> None:
    sleeping = await service.create_failure(SLOW_CODE)
    await sleeping.wait_for_event("retry.planned")
    scripts = ("succeed_then_hang:6", "hang:5", "hang:5:decline:insufficient_funds", "succeed_then_hang:6")
    paid, pending, declined, canceled = await asyncio.gather(*(start_charge(service, script) for script in scripts))
    due = await service.create_failure("insufficient_funds")  # falls due while nobody works
    for recovery in (paid, canceled):
        assert len(await recovery.fetch_charges()) == 1
    for recovery in (paid, pending, declined, canceled):
        assert (await recovery.fetch_event_types())[-1] == "charge.requested"
    killed = service.stack.pid("worker")
    os.kill(killed, signal.SIGKILL)
    assert (await canceled.submit_command("cancel")).status_code == 202  # nobody answers: kept as a signal
    service.stack.wait_ready()
    assert service.stack.pid("worker") != killed

    for recovery in (paid, pending, canceled):
        await recovery.wait_for_one_payment(timeout_seconds=60)
        assert (await recovery.fetch_events("charge.succeeded", "charge.reconciled"))[0]["attempt"] == 1
        await assert_one_key(recovery)
    await declined.wait_for_event("retry.planned", 2, timeout_seconds=60)
    await assert_one_key(declined)
    assert (await declined.submit_command("cancel")).status_code == 200
    await declined.wait_for_unpaid_end("canceled")
    await due.wait_for_one_payment(timeout_seconds=60)
    assert (await sleeping.submit_command("retry")).status_code == 200
    await sleeping.wait_for_one_payment()


async def assert_one_key(recovery: Recovery) -> None:
    """Asserts one requested attempt, however often it was sent."""
    requested = await recovery.fetch_only_event("charge.requested")
    keys = {call.idempotency_key for call in await recovery.fetch_pay_calls()}
    assert keys == {requested["data"]["idempotency_key"]}


async def test_stopping_worker_finishes_its_charge(service: RunningService) -> None:
    recovery = await start_charge(service, "hang:3")
    service.stack.restart("worker")
    service.stack.wait_ready()
    await recovery.wait_for_one_payment(timeout_seconds=60)
    assert len(await recovery.fetch_pay_calls()) == 1
    assert "charge.unknown" not in await recovery.fetch_event_types()


async def test_provider_crashes_during_a_charge(service: RunningService) -> None:
    recovery = await start_charge(service, "hang:2")
    due = await service.create_failure("insufficient_funds")
    service.stack.kill("sandbox")
    service.stack.wait_ready()
    await recovery.wait_for_one_payment(timeout_seconds=60)
    await assert_one_key(recovery)
    await due.wait_for_one_payment(timeout_seconds=60)
