"""People act on a running recovery, over HTTP and from Temporal's command line."""

import asyncio
import time
from typing import Any

from sandbox.models import Delivery
from tests.support.together import Together
from tests.support.world import Recovery, World

together = Together()
WAIT = Delivery(wait=True)
SLOW = "card_velocity_exceeded"


async def waiting(world: World, code: str = SLOW, **spec: Any) -> Recovery:
    """A recovery that sleeps until its next charge, a (compressed) day away."""
    recovery = await world.fails(code, **spec)
    await recovery.until_event("retry.planned")
    return recovery


@together
async def test_retry_now(world: World) -> None:
    recovery = await waiting(world)
    answer = await recovery.ask("retry", "the customer called")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] in ("charging", "recovered")
    assert "charge.requested" in await recovery.story()
    await recovery.recovered_once()
    requested = await recovery.only("operator.retry_requested")
    assert requested["data"]["reason"] == "the customer called"
    assert requested["data"]["actor"]
    assert (await recovery.only("charge.requested"))["data"]["trigger"] == "manual"
    assert (await recovery.view())["attempts_used"] == 0
    for action in ("retry", "cancel", "pause", "resume"):
        await recovery.refused(action, "closed")


@together
async def test_cancel(world: World) -> None:
    recovery = await waiting(world)
    answer = await recovery.ask("cancel", "we forgive it")
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    assert (await recovery.only("operator.cancel_requested"))["data"]["reason"] == "we forgive it"
    await recovery.ended_unpaid("canceled")
    await recovery.refused("cancel", "closed")
    await asyncio.sleep(4)
    assert await recovery.pay_calls() == []


@together
async def test_a_pause_over_the_due_time_delays_the_charge(world: World) -> None:
    recovery = await world.fails("insufficient_funds")
    answer = await recovery.ask("pause", "the bank has trouble")
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert (await recovery.ask("pause")).status_code == 200  # again changes nothing
    await recovery.refused("retry", "paused")
    await asyncio.sleep(5)  # past the first retry
    assert await recovery.pay_calls() == []
    assert (await recovery.view())["state"] == "paused"
    assert (await recovery.ask("resume", "it is over")).status_code == 200
    await recovery.recovered_once()
    assert [row["data"]["reason"] for row in await recovery.events("operator.paused", "operator.resumed")] == [
        "the bank has trouble",
        "it is over",
    ]


@together
async def test_what_a_pause_does_not_hold_up(world: World) -> None:
    recovery = await waiting(world)
    await recovery.ask("pause")
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    view = await recovery.recovered_once()
    assert view["close_reason"] == "paid_elsewhere"


@together
async def test_a_retry_in_flight_refuses_another(world: World) -> None:
    recovery = await waiting(world, script=("hang:4:decline:card_velocity_exceeded",))
    asked = time.monotonic()
    answer = await recovery.ask("retry")
    assert (answer.status_code, answer.json()["state"]) == (200, "charging")  # begun, not over
    assert time.monotonic() - asked < 3.5
    await recovery.refused("retry", "in_flight")
    assert (await recovery.ask("pause")).status_code in (200, 202)
    await recovery.until("paused")
    assert len(await recovery.pay_calls()) == 1
    await world.sandbox.pay_hosted(recovery.invoice, delivery=WAIT)
    await recovery.recovered_once()


@together
async def test_a_cancel_that_races_a_charge_settles_it_first(world: World) -> None:
    recovery = await waiting(world, script=("hang:3:decline:insufficient_funds",))
    asking = asyncio.create_task(recovery.ask("retry"))
    await recovery.until_asked()
    answer = await recovery.ask("cancel")
    assert answer.status_code in (200, 202)
    assert (await asking).status_code in (200, 202)
    await recovery.ended_unpaid("canceled")
    assert (await recovery.story())[-3:] == ["charge.declined", "operator.cancel_requested", "recovery.closed"]
    assert len(await recovery.pay_calls()) == 1


@together
async def test_a_charge_that_wins_against_a_cancel_is_kept(world: World) -> None:
    recovery = await waiting(world, script=("hang:3",))
    asking = asyncio.create_task(recovery.ask("retry"))
    await recovery.until_asked()
    canceling = await recovery.ask("cancel")
    assert canceling.status_code in (200, 202, 409)
    assert (await asking).status_code in (200, 202)
    await recovery.recovered_once()


@together
async def test_hard_declines_are_not_retried_by_hand(world: World) -> None:
    recovery = await world.fails("lost_card")
    await recovery.until("awaiting_customer")
    await recovery.refused("retry", "hard_decline")
    review = await recovery.ask("review", decision="approve")
    assert (review.status_code, review.json()["code"]) == (422, "not_in_review")
    assert (await recovery.ask("cancel")).status_code == 200
    await recovery.ended_unpaid("canceled")


async def test_fifty_operators_at_once_are_one_charge(world: World) -> None:
    recovery = await waiting(world, script=("hang:1",))
    answers = await asyncio.gather(*(recovery.ask("retry", f"operator {n}") for n in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 202, 409}, statuses
    assert 200 in statuses
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert codes <= {"in_flight", "closed"}
    await recovery.recovered_once()
    assert len(await recovery.pay_calls()) == 1
    assert (await recovery.story()).count("charge.requested") == 1


@together
async def test_the_same_wish_sent_twice_acts_once(world: World) -> None:
    recovery = await waiting(world, script=("decline:card_velocity_exceeded",))
    keyed = {"Idempotency-Key": f"wish-{recovery.invoice}"}
    for _ in range(2):
        answer = await world.api.post(f"{recovery.path}/retry", json={"reason": "once"}, headers=keyed)
        assert answer.status_code == 200, answer.text
        await recovery.until_event("charge.declined")
    await asyncio.sleep(1)
    assert len(await recovery.pay_calls()) == 1
    assert len(await recovery.events("operator.retry_requested")) == 1
    await recovery.ask("cancel")
    await recovery.ended_unpaid("canceled")


@together
async def test_retry_now_from_the_command_line(world: World) -> None:
    async def charged(*arguments: str, actor: str = "temporal", reason: str = "") -> None:
        recovery = await waiting(world)
        await recovery.signal("retry_now", *arguments)
        await recovery.recovered_once()
        data = (await recovery.only("operator.retry_requested"))["data"]
        assert (data["actor"], data["reason"]) == (actor, reason), data

    await asyncio.gather(
        charged(),
        charged("--input", '"text"', reason="text"),
        charged("--input", "[1]", reason="[1]"),
        charged("--input", '{"reason": "please", "actor": "ann", "decision": 4}', actor="ann", reason="please"),
    )


@together
async def test_cancel_from_the_command_line(world: World) -> None:
    async def canceled(*arguments: str, reason: str = "") -> None:
        recovery = await waiting(world)
        await recovery.signal("cancel", *arguments)
        await recovery.ended_unpaid("canceled")
        data = (await recovery.only("operator.cancel_requested"))["data"]
        assert (data["actor"], data["reason"]) == ("temporal", reason), data

    await asyncio.gather(
        canceled(),
        canceled("--input", '"text"', reason="text"),
        canceled("--input", "[1]", reason="[1]"),
        canceled("--input", "null"),
        canceled("--input", '{"actor": null, "nonsense": {}}'),
    )


@together
async def test_temporals_own_cancel_request_means_cancel(world: World) -> None:
    recovery = await waiting(world)
    await world.temporal("workflow", "cancel", "--workflow-id", recovery.id)
    view = await recovery.ended_unpaid("canceled")
    assert view["close_reason"] == "operator"
    assert (await recovery.only("operator.cancel_requested"))["data"]["actor"] == "temporal"
    assert (await world.description(recovery.id))["status"] == "WORKFLOW_EXECUTION_STATUS_COMPLETED"


@together
async def test_pause_review_and_nonsense_from_the_command_line(world: World) -> None:
    recovery = await world.fails("fraudulent")
    await recovery.until("in_review")
    await recovery.signal("retry_now")  # refused: written down, without effect
    row = (await recovery.until_event("operator.retry_requested"))[0]
    assert row["data"]["refused"] == "fraud_hold"
    await recovery.signal("review", "--input", '{"decision": " Reject ", "actor": "bob"}')
    await recovery.ended_unpaid("blocked")
    assert (await recovery.only("operator.reviewed"))["data"]["actor"] == "bob"

    other = await waiting(world)
    await other.signal("provider_event", "--input", '"nonsense"')
    await other.signal("pause")
    await other.until("paused")
    await other.signal("resume")
    await other.until("waiting")
    await other.signal("cancel")
    await other.ended_unpaid("canceled")
