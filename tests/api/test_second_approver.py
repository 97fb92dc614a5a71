"""Above an amount that the policy sets, two people must want the same: over HTTP, by two keys."""

from typing import Any

import pytest

from core.contracts import RecoveryStatus
from core.errors import EngineUnavailable, Refused
from core.events import Event, EventType, State
from core.ids import recovery_id
from db.repositories import approvals, event_log, operator_actions
from db.repositories.operator_actions import Kind
from tests.api.house import ALL, House, now
from tests.intake.fakes import canceled, failure, stored, unique

DONE = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
WRITE = ("recoveries:read", "recoveries:write")


@pytest.fixture
def desk(strict: House) -> House:
    """Its recoveries answer."""
    strict.recoveries.answer = DONE
    return strict


async def running(desk: House, amount: int = 1001) -> str:
    """The invoice of a recovery that runs."""
    invoice = unique("in")
    desk.recoveries.running.add((await stored(desk.db, failure(invoice, amount=amount))).recovery_id)
    return invoice


async def in_review(desk: House) -> str:
    """One that waits for a review."""
    invoice = await running(desk)
    async with desk.db.begin() as session:
        before = await event_log.recovery(session, recovery_id("stripe", invoice))
        assert before
        data = {"action": "review", "reason": "configuration", "why": "x", "until": None}
        await event_log.append(
            session, before, [Event(type=EventType.RETRY_SKIPPED, occurred_at=now(), data=data)], now()
        )
    return invoice


async def ask(desk: House, invoice: str, key: dict[str, str], action: str = "retry", **more: Any) -> Any:
    """The response."""
    body = {"reason": f"because of {invoice}"} | more
    return await desk.client.post(f"/v1/recoveries/stripe/{invoice}/{action}", json=body, headers=key)


async def refused(answer: Any, by: str) -> None:
    """Answered with 403, and a sentence that says what is missing."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "second_approver")
    assert f"{by} asked for it; another operator must ask for the same" in problem["detail"]


async def test_a_retry_above_the_limit_takes_two(desk: House) -> None:
    ann, bob = await desk.key(*WRITE, name="ann"), await desk.key(*WRITE, name="bob")
    invoice = await running(desk)
    await refused(await ask(desk, invoice, ann), "ann")
    await refused(await ask(desk, invoice, ann), "ann")
    assert desk.recoveries.asked == []
    assert (await ask(desk, invoice, bob, reason="I looked at it")).status_code == 200
    ((_, wish),) = desk.recoveries.asked
    assert (wish.actor, wish.reason) == ("bob", "I looked at it")
    assert (wish.asked_by, wish.asked_reason) == ("ann", f"because of {invoice}")
    await refused(await ask(desk, invoice, bob), "bob")


async def test_up_to_the_limit_one_is_enough(desk: House) -> None:
    ann = await desk.key(*WRITE, name="ann")
    assert (await ask(desk, await running(desk, 1000), ann)).status_code == 200
    ((_, wish),) = desk.recoveries.asked
    assert wish.asked_by is None


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
async def test_what_charges_nothing_takes_one(action: str, desk: House) -> None:
    assert (await ask(desk, await running(desk), await desk.key(*WRITE), action)).status_code == 200


async def test_the_bootstrap_key_needs_a_second_person_too(desk: House) -> None:
    invoice = await running(desk)
    await refused(await ask(desk, invoice, ALL), "bootstrap")
    assert (await ask(desk, invoice, await desk.key(*WRITE, name="ann"))).status_code == 200


async def test_an_approval_takes_two_and_a_rejection_one(desk: House) -> None:
    ann, bob = await desk.key(*WRITE, name="ann"), await desk.key(*WRITE, name="bob")
    invoice = await in_review(desk)
    await refused(await ask(desk, invoice, ann, "review", decision="approve"), "ann")
    assert (await ask(desk, invoice, bob, "review", decision="approve")).status_code == 200
    assert (await ask(desk, invoice, ann, "review", decision="reject")).status_code == 200
    assert [wish.asked_by for _, wish in desk.recoveries.asked] == ["ann", None]


async def test_what_is_refused_anyway_waits_for_nobody(desk: House) -> None:
    ann = await desk.key(*WRITE, name="ann")
    invoice = unique("in")
    await stored(desk.db, failure(invoice, amount=5000), canceled())
    assert (await ask(desk, invoice, ann)).json()["code"] == "closed"
    assert (await ask(desk, unique("in"), ann)).status_code == 404
    review = await ask(desk, await running(desk), ann, "review", decision="approve")
    assert (review.status_code, review.json()["code"]) == (422, "not_in_review")
    async with desk.db.begin() as session:
        assert await approvals.waiting(session, recovery_id("stripe", invoice), now()) == []


@pytest.mark.parametrize("error", [Refused("network_limit", "Not now."), EngineUnavailable("Away.")])
async def test_without_effect_the_first_ones_wish_goes_on_waiting(error: Exception, desk: House) -> None:
    ann, bob = await desk.key(*WRITE, name="ann"), await desk.key(*WRITE, name="bob")
    invoice = await running(desk)
    await refused(await ask(desk, invoice, ann), "ann")
    desk.recoveries.answer = error
    assert (await ask(desk, invoice, bob)).status_code in {409, 503}
    desk.recoveries.answer = DONE
    assert (await ask(desk, invoice, bob)).status_code == 200
    assert desk.recoveries.asked[-1][1].asked_by == "ann"


async def test_the_same_request_sent_again_stays_approved(desk: House) -> None:
    ann, bob = await desk.key(*WRITE, name="ann"), await desk.key(*WRITE, name="bob")
    invoice = await running(desk)
    await ask(desk, invoice, ann)
    for _ in range(2):
        assert (await ask(desk, invoice, bob | {"Idempotency-Key": "one"})).status_code == 200
    first, second = (wish for _, wish in desk.recoveries.asked)
    assert first == second


async def test_the_first_ones_wish_is_in_the_audit(desk: House) -> None:
    who = unique("ann")
    invoice = await running(desk)
    for _ in range(2):
        await ask(desk, invoice, await desk.key(*WRITE, name=who))
    async with desk.db.begin() as session:
        (entry,) = (await operator_actions.listed(session, actor=who)).items
    assert (entry.action, entry.subject) == (Kind.SECOND_ASKED, recovery_id("stripe", invoice))
    assert entry.detail["reason"] == f"because of {invoice}"
