"""A lost workflow run is replaced by one that continues from the log; a closed recovery stays closed."""

import asyncio
import json
import time

from sandbox.models import Delivery
from tests.faults.outages import part_away
from tests.support.service import Recovery, RunningService

SLOW_CODE = "card_velocity_exceeded"
WAIT_FOR_DELIVERY = Delivery(wait=True)
RELAY_SECONDS = 60.0
"""The relay looks every ten seconds."""


async def create_terminated_recovery(service: RunningService) -> Recovery:
    """A recovery whose first attempt was declined and whose run was then terminated."""
    recovery = await service.create_failure(SLOW_CODE, script=("decline:card_velocity_exceeded",), echo=False)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code == 200
    await recovery.wait_for_event("retry.planned", 2)
    await terminate_run(recovery)
    return recovery


async def terminate_run(recovery: Recovery) -> None:
    """Terminates the run."""
    await recovery.service.run_temporal_cli("workflow", "terminate", "--workflow-id", recovery.id, "--reason", "a test")


async def assert_went_on(recovery: Recovery) -> None:
    """Asserts that the second attempt has its own number and key, without a second opening."""
    await recovery.wait_for_one_payment(timeout_seconds=RELAY_SECONDS)
    first, second = await recovery.fetch_events("charge.requested")
    assert (first["attempt"], second["attempt"]) == (1, 2)
    keys = [row["data"]["idempotency_key"] for row in (first, second)]
    assert [call.idempotency_key for call in await recovery.fetch_pay_calls()] == keys
    assert len(await recovery.fetch_events("payment.failed")) == 1


async def test_terminated_runs_are_restarted_and_closed_ones_are_not(service: RunningService) -> None:
    async def by_the_relay() -> None:
        recovery = await service.create_failure(
            "insufficient_funds", script=("decline:insufficient_funds",), echo=False
        )
        await recovery.wait_for_event("retry.planned", 2)
        await terminate_run(recovery)
        await assert_went_on(recovery)  # nobody says anything: the relay finds it, and the next charge falls due

    async def by_the_next_event() -> None:
        recovery = await create_terminated_recovery(service)
        await service.sandbox.add_card(recovery.customer, delivery=WAIT_FOR_DELIVERY)
        await assert_went_on(recovery)

    async def by_the_payment() -> None:
        recovery = await create_terminated_recovery(service)
        await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
        await recovery.wait_for_one_payment(timeout_seconds=RELAY_SECONDS)

    async def by_an_operator() -> None:
        recovery = await create_terminated_recovery(service)
        answer = await recovery.submit_command("retry")
        assert answer.status_code == 200, answer.text
        await assert_went_on(recovery)

    async def by_a_repeated_webhook() -> None:
        recovery = await create_terminated_recovery(service)
        await recovery.send_event("invoice.payment_failed", fresh=True, delivery=WAIT_FOR_DELIVERY)
        await asyncio.sleep(1)
        assert (await service.describe_workflow(recovery.id))["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
        assert (await recovery.submit_command("retry")).status_code == 200
        await assert_went_on(recovery)

    async def in_the_middle_of_a_charge() -> None:
        recovery = await service.create_failure(SLOW_CODE, script=("succeed_then_hang:4",))
        await recovery.wait_for_event("retry.planned")
        asking = asyncio.create_task(recovery.submit_command("retry"))
        await recovery.wait_for_pay_calls()
        await terminate_run(recovery)
        await recovery.wait_for_one_payment(timeout_seconds=RELAY_SECONDS)
        assert len({call.idempotency_key for call in await recovery.fetch_pay_calls()}) == 1
        assert (await asking).status_code in (200, 202, 409)

    scenarios = (by_the_relay, by_the_next_event, by_the_payment, by_an_operator, by_a_repeated_webhook,
               in_the_middle_of_a_charge)  # fmt: skip
    await asyncio.gather(assert_not_reopened(service), *(scenario() for scenario in scenarios))


async def assert_not_reopened(service: RunningService) -> None:
    """Asserts that neither a repeated webhook nor a new event starts a run again."""
    paid, canceled = await asyncio.gather(service.create_failure(SLOW_CODE), service.create_failure(SLOW_CODE))
    for recovery in (paid, canceled):
        await recovery.wait_for_event("retry.planned")
    assert (await paid.submit_command("retry")).status_code == 200
    await paid.wait_for_one_payment()
    assert (await canceled.submit_command("cancel")).status_code == 200
    await canceled.wait_for_unpaid_end("canceled")
    for _ in range(2):  # while Temporal knows them, and after it has forgotten them
        for recovery in (paid, canceled):
            types = await recovery.fetch_event_types()
            again = await recovery.send_event("invoice.payment_failed", delivery=WAIT_FOR_DELIVERY)
            fresh = await recovery.send_event("invoice.payment_failed", fresh=True, delivery=WAIT_FOR_DELIVERY)
            assert again.deliveries[0].body["status"] == "duplicate"
            assert fresh.deliveries[0].body["status"] in ("ignored", "accepted")  # accepted: not decided at once
            assert (await recovery.fetch_event_types())[: len(types)] == types
            assert {row["type"] for row in (await recovery.fetch_events())[len(types) :]} <= {"event.late"}
            await recovery.assert_refused("retry", "closed")
        await asyncio.gather(delete_run(paid), delete_run(canceled))
    assert len(await paid.fetch_charges()) == 1
    assert await canceled.fetch_charges() == []
    assert await count_runs(paid) == await count_runs(canceled) == 0


async def delete_run(recovery: Recovery) -> None:
    """Deletes the run from Temporal."""
    if not await count_runs(recovery):
        return
    await recovery.service.run_temporal_cli("workflow", "delete", "--workflow-id", recovery.id)
    deadline = time.monotonic() + 60
    while await count_runs(recovery):
        assert time.monotonic() < deadline
        await asyncio.sleep(1)


async def count_runs(recovery: Recovery) -> int:
    """The number of its runs in Temporal."""
    query = f"WorkflowId='{recovery.id}'"
    return len(
        json.loads(await recovery.service.run_temporal_cli("workflow", "list", "--query", query, "--output", "json"))
    )


async def test_nothing_accepted_is_lost_with_a_run_that_wrote_no_row(service: RunningService) -> None:
    disputed, canceled = await asyncio.gather(service.create_failure(SLOW_CODE), service.create_failure(SLOW_CODE))
    for recovery in (disputed, canceled):
        await recovery.wait_for_event("retry.planned")
    async with part_away(service, "worker"):
        opened = await asyncio.gather(*(service.create_failure("insufficient_funds") for _ in range(3)))
        assert {recovery.ids.deliveries[0].body["status"] for recovery in opened} == {"accepted"}
        await service.sandbox.open_dispute(disputed.invoice, delivery=WAIT_FOR_DELIVERY)
        assert (await canceled.submit_command("cancel")).status_code == 202
        # Temporal has taken everything by now, and loses it.
        await asyncio.gather(*(wait_for_run(recovery) for recovery in opened))
        await asyncio.gather(*(delete_run(recovery) for recovery in opened[1:]))
        for recovery in (opened[0], disputed, canceled):
            await terminate_run(recovery)
    for recovery in opened:
        await recovery.wait_for_event("retry.planned", timeout_seconds=RELAY_SECONDS)
        assert len(await recovery.fetch_events("payment.failed")) == 1
    await disputed.wait_for_unpaid_end("blocked")
    await canceled.wait_for_unpaid_end("canceled")


async def wait_for_run(recovery: Recovery, seconds: float = 10) -> None:
    """Waits until Temporal has a run of it."""
    async with asyncio.timeout(seconds):
        while not await count_runs(recovery):  # noqa: ASYNC110 (Temporal offers no event)
            await asyncio.sleep(0.2)


async def test_temporal_without_its_data_gets_every_open_recovery_back(service: RunningService) -> None:
    sleeping = await service.create_failure(SLOW_CODE)
    due = await service.create_failure("insufficient_funds", script=("decline:insufficient_funds",), echo=False)
    await asyncio.gather(sleeping.wait_for_event("retry.planned"), due.wait_for_event("retry.planned", 2))
    async with part_away(service, "temporal"):
        for file in service.stack.data_dir.glob("temporal.db*"):
            file.unlink()
        opened = await service.create_failure("insufficient_funds")
    # Nobody restarts a worker: one of them sees that the relay's schedule is missing.
    await asyncio.gather(*(wait_for_run(recovery, RELAY_SECONDS) for recovery in (sleeping, due)))
    everybody = (sleeping, due, opened)
    await asyncio.gather(*(recovery.wait_for_one_payment(timeout_seconds=RELAY_SECONDS) for recovery in everybody))
    assert [len(await recovery.fetch_events("payment.failed")) for recovery in everybody] == [1, 1, 1]
