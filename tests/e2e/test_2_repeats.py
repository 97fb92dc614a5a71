"""The same event twice, late, out of order, or from another source: one recovery, one charge."""

import asyncio
import json
import time

from sandbox.models import Delivery, Shape
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import OPENING_EVENTS, Recovery, RunningService

together = ConcurrentTests()
FAILED_TYPE = "invoice.payment_failed"
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "card_velocity_exceeded"
"""Waits for a (compressed) day, so that there is time to say something."""


async def send_hundred_copies(service: RunningService, shape: Shape) -> Recovery:
    """A recovery whose failure event was sent a hundred times, fifty at once."""
    delivery = Delivery(wait=True, shape=shape, copies=100, concurrency=50, retry=False)
    recovery = await service.create_failure(delivery=delivery)
    answers = [(delivery.status, delivery.body["status"]) for delivery in recovery.ids.deliveries]
    assert sorted(answers) == [(202, "accepted"), *[(202, "duplicate")] * 99]
    assert {delivery.body["recovery_id"] for delivery in recovery.ids.deliveries} == {recovery.id}
    return recovery


async def assert_happened_once(recovery: Recovery) -> None:
    """Asserts one payment.failed, one run, one charge."""
    await recovery.wait_for_one_payment()
    assert await recovery.fetch_event_types() == [
        *OPENING_EVENTS,
        "charge.requested",
        "charge.succeeded",
        "recovery.closed",
    ]
    query = f"WorkflowId='{recovery.id}'"
    listing = json.loads(
        await recovery.service.run_temporal_cli("workflow", "list", "--query", query, "--output", "json")
    )
    assert len(listing) == 1


async def test_a_hundred_copies_of_one_event_are_one_recovery(service: RunningService) -> None:
    for recovery in [await send_hundred_copies(service, Shape.BASIL), await send_hundred_copies(service, Shape.LEGACY)]:
        await assert_happened_once(recovery)


@together
async def test_other_events_about_the_same_attempt_change_nothing(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    for shape in (Shape.LEGACY, Shape.BASIL):
        again = Delivery(wait=True, shape=shape, copies=3, concurrency=3)
        (event_id,) = {d.event for d in (await recovery.send_event(FAILED_TYPE, fresh=True, delivery=again)).deliveries}
        assert event_id != recovery.ids.event
    await recovery.submit_command("retry")
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_event_types()).count("payment.failed") == 1


@together
async def test_the_echo_of_our_own_failed_charge_changes_nothing(service: RunningService) -> None:
    echo = Delivery(copies=3, concurrency=3)
    recovery = await service.create_failure(SLOW_CODE, script=("decline:card_velocity_exceeded",), echo_delivery=echo)
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.submit_command("retry")).status_code == 200
    await recovery.wait_for_event("charge.declined")
    await service.sandbox.wait_until_idle()
    await recovery.wait_for_event("retry.planned", 2)
    await recovery.send_event(FAILED_TYPE, fresh=True, delivery=WAIT_FOR_DELIVERY)
    types = await recovery.fetch_event_types()
    assert types.count("payment.failed") == 1
    assert types.count("failure.classified") == 2
    assert (await recovery.submit_command("retry")).status_code == 200
    await recovery.wait_for_one_payment()


@together
async def test_payment_before_a_late_failure_event(service: RunningService) -> None:
    recovery = await service.create_unreported_failure(SLOW_CODE)
    paid = await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    assert {delivery.status for delivery in paid.deliveries} == {202}
    assert (await service.api.get(recovery.path)).status_code == 404  # nothing has failed, as far as we know
    (delivery,) = (await recovery.send_event(FAILED_TYPE, delivery=WAIT_FOR_DELIVERY)).deliveries
    assert delivery.body["status"] == "accepted"
    await recovery.wait_for_one_payment()
    assert await recovery.fetch_pay_calls() == []
    assert await recovery.fetch_event_types() == ["payment.failed", "invoice.paid_elsewhere", "recovery.closed"]


@together
async def test_events_in_reverse_order(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await service.sandbox.pay_hosted(recovery.invoice, delivery=Delivery(wait=True, reverse=True, copies=2))
    view = await recovery.wait_for_one_payment()
    assert view["close_reason"] == "paid_elsewhere"
    assert await recovery.fetch_pay_calls() == []


@together
async def test_failure_event_after_the_success_is_recorded_late(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds")
    await recovery.wait_for_one_payment()
    await service.sandbox.wait_until_idle()
    assert "event.late" not in await recovery.fetch_event_types()
    later = await send_later_failure(recovery)
    for _ in range(2):
        (delivery,) = (await service.sandbox.send_raw(later, delivery=WAIT_FOR_DELIVERY)).deliveries
        assert delivery.status == 202
    await recovery.wait_for_event("event.late")  # delivered behind the answer
    row = await recovery.fetch_only_event("event.late")
    assert row["data"]["event_id"] == later["id"]
    assert (await recovery.fetch_view())["state"] == "recovered"
    assert (await recovery.fetch_event_types())[-2:] == ["recovery.closed", "event.late"]
    assert (await recovery.send_event(FAILED_TYPE, delivery=WAIT_FOR_DELIVERY)).deliveries[0].body[
        "status"
    ] == "duplicate"


async def send_later_failure(recovery: Recovery) -> dict[str, object]:
    """The delivery of a failure event about a second attempt of the provider, a minute from now."""
    invoice = {
        "id": recovery.invoice, "object": "invoice", "customer": recovery.customer, "attempt_count": 2,
        "amount_due": 2000, "amount_remaining": 2000, "currency": "usd", "status": "open", "livemode": False,
    }  # fmt: skip
    return {
        "id": f"evt_late_{recovery.invoice}", "object": "event", "type": FAILED_TYPE, "livemode": False,
        "api_version": "2026-10-28.endive", "created": int(time.time()) + 60, "data": {"object": invoice},
    }  # fmt: skip


@together
async def test_failed_retry_of_the_provider(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await asyncio.sleep(1.1)  # a provider counts in whole seconds
    await service.sandbox.run_provider_retry(recovery.invoice, "decline:insufficient_funds", delivery=WAIT_FOR_DELIVERY)
    _, second = await recovery.wait_for_event("payment.failed", 2)
    assert second["data"]["provider_attempt"] == 2
    await recovery.wait_for_event("retry.planned", 2)
    view = await recovery.wait_for_one_payment()
    assert view["cause"] == "INSUFFICIENT_FUNDS"
    assert (await recovery.fetch_event_types()).count("customer.segmented") == 1


@together
async def test_successful_retry_of_the_provider(service: RunningService) -> None:
    recovery = await service.create_failure(SLOW_CODE)
    await recovery.wait_for_event("retry.planned")
    await service.sandbox.run_provider_retry(recovery.invoice, "succeed", delivery=WAIT_FOR_DELIVERY)
    view = await recovery.wait_for_one_payment()
    assert view["close_reason"] == "paid_elsewhere"
    assert [charge.origin for charge in await recovery.fetch_charges()] == ["provider_retry"]
    assert await recovery.fetch_pay_calls() == []


@together
async def test_recovery_stands_back_before_the_providers_retry(service: RunningService) -> None:
    soon = int(time.time()) + 3600
    recovery = await service.create_failure("insufficient_funds", next_payment_attempt=soon, auto_advance=True)
    (skipped,) = await recovery.wait_for_event("retry.skipped")
    assert skipped["data"]["reason"] == "provider_retry"
    assert await recovery.fetch_pay_calls() == []
    await service.sandbox.run_provider_retry(recovery.invoice, "succeed", delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()
