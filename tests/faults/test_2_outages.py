"""Outages of Temporal and PostgreSQL: nothing answered with 202 is lost, nothing is half-written."""

import asyncio
import time

from sandbox.models import Delivery
from tests.faults.outages import part_away
from tests.support.service import OPENING_EVENTS, RunningService

SLOW_CODE = "card_velocity_exceeded"


async def test_temporal_outage(service: RunningService) -> None:
    sleeping, due = await asyncio.gather(
        service.create_failure(SLOW_CODE), service.create_failure("insufficient_funds")
    )
    await asyncio.gather(sleeping.wait_for_event("retry.planned"), due.wait_for_event("retry.planned"))
    async with part_away(service, "temporal"):
        began = time.monotonic()
        recoveries = await asyncio.gather(*(service.create_failure("insufficient_funds") for _ in range(20)))
        assert time.monotonic() - began < 5
        deliveries = [recovery.ids.deliveries[0] for recovery in recoveries]
        assert {(delivery.status, delivery.tries, delivery.body["status"]) for delivery in deliveries} == {
            (202, 1, "accepted")
        }
        assert [delivery.body["recovery_id"] for delivery in deliveries] == [recovery.id for recovery in recoveries]
        again = await recoveries[0].send_event("invoice.payment_failed", delivery=Delivery(wait=True))
        assert again.deliveries[0].body["status"] == "duplicate"
        assert {(await recovery.fetch_view())["state"] for recovery in recoveries} == {"received"}
        ready = await service.api.get("/readyz")
        assert ready.status_code == 503
        refused = await sleeping.submit_command("retry")
        assert (refused.status_code, refused.json()["code"]) == (503, "temporal_unavailable")
        assert refused.headers["retry-after"]
        await service.sandbox.pay_hosted(sleeping.invoice, delivery=Delivery(wait=True))
    await asyncio.gather(
        *(recovery.wait_for_one_payment(timeout_seconds=90) for recovery in (*recoveries, due, sleeping))
    )
    for recovery in recoveries:
        assert (await recovery.fetch_event_types())[:5] == OPENING_EVENTS
    assert (await sleeping.fetch_view())["close_reason"] == "paid_elsewhere"


async def test_postgresql_outage(service: RunningService) -> None:
    sleeping, due = await asyncio.gather(
        service.create_failure(SLOW_CODE), service.create_failure("insufficient_funds")
    )
    charging = await service.create_failure(SLOW_CODE, script=("hang:2",))
    for recovery in (sleeping, due, charging):
        await recovery.wait_for_event("retry.planned")
    assert (await charging.submit_command("retry")).status_code == 200
    await charging.wait_for_pay_calls()
    refused = await service.create_unreported_failure("insufficient_funds")
    async with part_away(service, "postgres"):
        event = {"id": "evt_nowhere", "object": "event", "type": "x", "created": int(time.time()), "data": {}}
        for _ in range(3):
            began = time.monotonic()
            answer = await service.post_webhook(event)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"]
            assert answer.headers["content-type"] == "application/problem+json"
            assert time.monotonic() - began < 3
        delivery = await refused.send_event("invoice.payment_failed", delivery=Delivery(wait=True, retry=False))
        assert delivery.deliveries[0].status == 503
        assert (await service.api.get("/readyz")).status_code == 503
        response = await service.api.get("/v1/recoveries")
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        await asyncio.sleep(4)  # a charge falls due, and another has its answer, which nobody can write down
    assert (await service.api.get(refused.path)).status_code == 404
    delivery = await refused.send_event("invoice.payment_failed", delivery=Delivery(wait=True))
    assert delivery.deliveries[0].body["status"] == "accepted"
    for recovery in (due, charging, refused):
        await recovery.wait_for_one_payment(timeout_seconds=90)
    assert {call.idempotency_key for call in await charging.fetch_pay_calls()} == {
        (await charging.fetch_only_event("charge.requested"))["data"]["idempotency_key"]
    }
    assert (await sleeping.submit_command("retry")).status_code == 200
    await sleeping.wait_for_one_payment()


async def test_api_crash(service: RunningService) -> None:
    sending = Delivery(wait=True, copies=40, concurrency=20)
    failing = asyncio.create_task(service.create_failure("insufficient_funds", delivery=sending))
    await asyncio.sleep(0.1)
    service.stack.kill("api")
    recovery = await failing
    assert {delivery.status for delivery in recovery.ids.deliveries} == {202}
    service.stack.wait_ready()
    await recovery.wait_for_one_payment(timeout_seconds=90)
