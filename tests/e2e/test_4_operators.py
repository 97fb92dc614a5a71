"""Operator commands to a running recovery, over HTTP and from Temporal's command line."""

import asyncio
import time
from typing import Any

from sandbox.models import Delivery
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import Recovery, RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True)
SLOW_CODE = "card_velocity_exceeded"


async def create_waiting_recovery(service: RunningService, code: str = SLOW_CODE, **spec: Any) -> Recovery:
    """A recovery whose next charge is a (compressed) day away."""
    recovery = await service.create_failure(code, **spec)
    await recovery.wait_for_event("retry.planned")
    return recovery


@together
async def test_retry_now(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    answer = await recovery.submit_command("retry", "the customer called")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] in ("charging", "recovered")
    assert "charge.requested" in await recovery.fetch_event_types()
    await recovery.wait_for_one_payment()
    requested = await recovery.fetch_only_event("operator.retry_requested")
    assert requested["data"]["reason"] == "the customer called"
    assert requested["data"]["actor"]
    assert (await recovery.fetch_only_event("charge.requested"))["data"]["trigger"] == "manual"
    assert (await recovery.fetch_view())["attempts_used"] == 0
    for action in ("retry", "cancel", "pause", "resume"):
        await recovery.assert_refused(action, "closed")


@together
async def test_cancel(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    answer = await recovery.submit_command("cancel", "we forgive it")
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    assert (await recovery.fetch_only_event("operator.cancel_requested"))["data"]["reason"] == "we forgive it"
    await recovery.wait_for_unpaid_end("canceled")
    await recovery.assert_refused("cancel", "closed")
    await asyncio.sleep(4)
    assert await recovery.fetch_pay_calls() == []


@together
async def test_a_pause_over_the_due_time_delays_the_charge(service: RunningService) -> None:
    recovery = await service.create_failure("insufficient_funds")
    answer = await recovery.submit_command("pause", "the bank has trouble")
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert (await recovery.submit_command("pause")).status_code == 200  # again changes nothing
    await recovery.assert_refused("retry", "paused")
    await asyncio.sleep(5)  # past the first retry
    assert await recovery.fetch_pay_calls() == []
    assert (await recovery.fetch_view())["state"] == "paused"
    assert (await recovery.submit_command("resume", "it is over")).status_code == 200
    await recovery.wait_for_one_payment()
    assert [row["data"]["reason"] for row in await recovery.fetch_events("operator.paused", "operator.resumed")] == [
        "the bank has trouble",
        "it is over",
    ]


@together
async def test_payments_are_handled_during_a_pause(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await recovery.submit_command("pause")
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    view = await recovery.wait_for_one_payment()
    assert view["close_reason"] == "paid_elsewhere"


@together
async def test_a_retry_in_flight_refuses_another(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, script=("hang:4:decline:card_velocity_exceeded",))
    started_at = time.monotonic()
    answer = await recovery.submit_command("retry")
    assert (answer.status_code, answer.json()["state"]) == (200, "charging")  # begun, not over
    assert time.monotonic() - started_at < 3.5
    await recovery.assert_refused("retry", "in_flight")
    assert (await recovery.submit_command("pause")).status_code in (200, 202)
    await recovery.wait_for_state("paused")
    assert len(await recovery.fetch_pay_calls()) == 1
    await service.sandbox.pay_hosted(recovery.invoice, delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


@together
async def test_a_cancel_that_races_a_charge_reconciles_it_first(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, script=("hang:3:decline:insufficient_funds",))
    asking = asyncio.create_task(recovery.submit_command("retry"))
    await recovery.wait_for_pay_calls()
    answer = await recovery.submit_command("cancel")
    assert answer.status_code in (200, 202)
    assert (await asking).status_code in (200, 202)
    await recovery.wait_for_unpaid_end("canceled")
    assert (await recovery.fetch_event_types())[-3:] == [
        "charge.declined",
        "operator.cancel_requested",
        "recovery.closed",
    ]
    assert len(await recovery.fetch_pay_calls()) == 1


@together
async def test_charge_that_succeeds_during_a_cancel_counts(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, script=("hang:3",))
    asking = asyncio.create_task(recovery.submit_command("retry"))
    await recovery.wait_for_pay_calls()
    canceling = await recovery.submit_command("cancel")
    assert canceling.status_code in (200, 202, 409)
    assert (await asking).status_code in (200, 202)
    await recovery.wait_for_one_payment()


@together
async def test_hard_declines_are_not_retried_by_hand(service: RunningService) -> None:
    recovery = await service.create_failure("lost_card")
    await recovery.wait_for_state("awaiting_customer")
    await recovery.assert_refused("retry", "hard_decline")
    review = await recovery.submit_command("review", decision="approve")
    assert (review.status_code, review.json()["code"]) == (422, "not_in_review")
    assert (await recovery.submit_command("cancel")).status_code == 200
    await recovery.wait_for_unpaid_end("canceled")


async def test_fifty_operators_at_once_are_one_charge(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, script=("hang:1",))
    answers = await asyncio.gather(*(recovery.submit_command("retry", f"operator {n}") for n in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 202, 409}, statuses
    assert 200 in statuses
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert codes <= {"in_flight", "closed"}
    await recovery.wait_for_one_payment()
    assert len(await recovery.fetch_pay_calls()) == 1
    assert (await recovery.fetch_event_types()).count("charge.requested") == 1


@together
async def test_the_same_command_sent_twice_acts_once(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service, script=("decline:card_velocity_exceeded",))
    keyed = {"Idempotency-Key": f"command-{recovery.invoice}"}
    for _ in range(2):
        answer = await service.api.post(f"{recovery.path}/retry", json={"reason": "once"}, headers=keyed)
        assert answer.status_code == 200, answer.text
        await recovery.wait_for_event("charge.declined")
    await asyncio.sleep(1)
    assert len(await recovery.fetch_pay_calls()) == 1
    assert len(await recovery.fetch_events("operator.retry_requested")) == 1
    await recovery.submit_command("cancel")
    await recovery.wait_for_unpaid_end("canceled")


@together
async def test_retry_now_from_the_command_line(service: RunningService) -> None:
    async def retry_by_cli(*arguments: str, actor: str = "temporal", reason: str = "") -> None:
        recovery = await create_waiting_recovery(service)
        await recovery.send_signal("retry_now", *arguments)
        await recovery.wait_for_one_payment()
        data = (await recovery.fetch_only_event("operator.retry_requested"))["data"]
        assert (data["actor"], data["reason"]) == (actor, reason), data

    await asyncio.gather(
        retry_by_cli(),
        retry_by_cli("--input", '"text"', reason="text"),
        retry_by_cli("--input", "[1]", reason="[1]"),
        retry_by_cli("--input", '{"reason": "please", "actor": "ann", "decision": 4}', actor="ann", reason="please"),
    )


@together
async def test_cancel_from_the_command_line(service: RunningService) -> None:
    async def cancel_by_cli(*arguments: str, reason: str = "") -> None:
        recovery = await create_waiting_recovery(service)
        await recovery.send_signal("cancel", *arguments)
        await recovery.wait_for_unpaid_end("canceled")
        data = (await recovery.fetch_only_event("operator.cancel_requested"))["data"]
        assert (data["actor"], data["reason"]) == ("temporal", reason), data

    await asyncio.gather(
        cancel_by_cli(),
        cancel_by_cli("--input", '"text"', reason="text"),
        cancel_by_cli("--input", "[1]", reason="[1]"),
        cancel_by_cli("--input", "null"),
        cancel_by_cli("--input", '{"actor": null, "nonsense": {}}'),
    )


@together
async def test_temporal_cancel_request_cancels_the_recovery(service: RunningService) -> None:
    recovery = await create_waiting_recovery(service)
    await service.run_temporal_cli("workflow", "cancel", "--workflow-id", recovery.id)
    view = await recovery.wait_for_unpaid_end("canceled")
    assert view["close_reason"] == "operator"
    assert (await recovery.fetch_only_event("operator.cancel_requested"))["data"]["actor"] == "temporal"
    assert (await service.describe_workflow(recovery.id))["status"] == "WORKFLOW_EXECUTION_STATUS_COMPLETED"


@together
async def test_pause_review_and_invalid_commands_from_the_command_line(service: RunningService) -> None:
    recovery = await service.create_failure("fraudulent")
    await recovery.wait_for_state("in_review")
    await recovery.send_signal("retry_now")  # refused: written down, without effect
    row = (await recovery.wait_for_event("operator.retry_requested"))[0]
    assert row["data"]["refused"] == "fraud_hold"
    await recovery.send_signal("review", "--input", '{"decision": " Reject ", "actor": "bob"}')
    await recovery.wait_for_unpaid_end("blocked")
    assert (await recovery.fetch_only_event("operator.reviewed"))["data"]["actor"] == "bob"

    other = await create_waiting_recovery(service)
    await other.send_signal("provider_event", "--input", '"nonsense"')
    await other.send_signal("pause")
    await other.wait_for_state("paused")
    await other.send_signal("resume")
    await other.wait_for_state("waiting")
    await other.send_signal("cancel")
    await other.wait_for_unpaid_end("canceled")
