"""The reference case: a payment fails, is classified, planned, and charged three (compressed) hours later."""

import asyncio
import time
from datetime import datetime, timedelta

from sandbox.models import Delivery, Shape
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import OPENING_EVENTS, RunningService
from tests.support.stacks import TIME_SCALE

together = ConcurrentTests()
JITTER = 1.1


async def test_the_opening_rows_are_there_within_two_seconds(service: RunningService) -> None:
    await (await service.create_failure("card_velocity_exceeded")).wait_for_event(
        "retry.planned"
    )  # everything is warm now
    recovery = await service.create_failure("insufficient_funds")
    answered_at = time.monotonic()
    while await recovery.fetch_event_types() != OPENING_EVENTS:
        assert time.monotonic() - answered_at < 2, await recovery.describe_state()
        await asyncio.sleep(0.02)


@together
async def test_reference_case(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds", amount=4900, currency="eur")
    view = await recovery.wait_for_one_payment()
    assert await recovery.fetch_event_types() == [
        *OPENING_EVENTS,
        "charge.requested",
        "charge.succeeded",
        "recovery.closed",
    ]
    states = [row["to_state"] for row in await recovery.fetch_events()]
    assert states == [
        "received",
        "classified",
        "segmented",
        "segmented",
        "waiting",
        "charging",
        "charging",
        "recovered",
    ]

    failed, classified, segmented, _, planned, requested, *_ = await recovery.fetch_events()
    assert classified["data"].items() >= {"category": "SOFT_DECLINE", "cause": "INSUFFICIENT_FUNDS"}.items()
    assert classified["data"]["code"] == "insufficient_funds"
    assert segmented["data"]["segment"] == view["segment"]
    assert 3 * 3600 <= planned["data"]["delay_seconds"] <= 3 * 3600 * JITTER
    assert planned["data"].keys() >= {"at", "strategy", "policy_version", "why"}
    due = datetime.fromisoformat(planned["data"]["at"])
    waited_seconds = (due - datetime.fromisoformat(failed["occurred_at"])) * TIME_SCALE
    assert timedelta(hours=3) <= waited_seconds <= timedelta(hours=3 * JITTER) + timedelta(hours=1)
    assert datetime.fromisoformat(requested["occurred_at"]) >= due

    (call,) = await recovery.fetch_pay_calls()
    assert call.path == f"/v1/invoices/{recovery.invoice}/pay"
    assert call.idempotency_key == requested["data"]["idempotency_key"]
    assert requested["data"]["trigger"] == "scheduled"
    assert "payment_method" not in call.params
    closed = (view["close_reason"], view["attempts_used"], view["amount"], view["currency"])
    assert closed == ("charged", 1, 4900, "EUR")


@together
async def test_a_payment_that_failed_on_the_old_api(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds", delivery=Delivery(wait=True, shape=Shape.LEGACY))
    await recovery.wait_for_one_payment()
    assert (await recovery.fetch_event_types())[:5] == OPENING_EVENTS
    assert (await recovery.fetch_events())[0]["data"]["provider_attempt"] == 1


@together
async def test_views_of_a_waiting_recovery(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded", amount=1234)
    await recovery.wait_for_event("retry.planned")
    view = await recovery.fetch_view()
    assert view["workflow_id"] == view["recovery_id"] == recovery.id
    assert (view["state"], view["category"], view["cause"]) == ("waiting", "RATE_LIMITED", "VELOCITY")
    assert (view["amount"], view["currency"], view["customer_id"]) == (1234, "USD", recovery.customer)
    assert view["next_attempt_at"] == (await recovery.fetch_only_event("retry.planned"))["data"]["at"]
    assert recovery.id in view["temporal_url"]
    response = await service.api.get("/v1/recoveries", params={"customer_id": recovery.customer, "state": "waiting"})
    assert [item["invoice_id"] for item in response.json()["items"]] == [recovery.invoice]
    described = await service.describe_workflow(recovery.id)
    attributes = described["searchAttributes"]["indexedFields"]
    assert {"RecoveryState", "DeclineCategory", "Segment", "Provider", "NextAttemptAt"} <= attributes.keys()
    assert (await recovery.submit_command("cancel")).status_code == 200
    await recovery.wait_for_unpaid_end("canceled")
