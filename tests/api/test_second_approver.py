"""Above an amount that the policy sets, two people must want the same: over HTTP, by two keys."""

from typing import Any

import pytest

from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable
from core.events import Event, EventType, State
from core.ids import recovery_id
from db.repositories import approvals, event_log, operator_actions
from db.repositories.operator_actions import AuditAction
from tests.api.house import ALL_SCOPES, ApiHarness, app_now
from tests.intake.fakes import canceled_event, failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
WRITE = ("recoveries:read", "recoveries:write")


@pytest.fixture
def desk(strict: ApiHarness) -> ApiHarness:
    """Its recoveries answer."""
    strict.recoveries.answer = ACCEPTED_STATUS
    return strict


async def start_recovery(desk: ApiHarness, amount: int = 1001) -> str:
    """The invoice of a recovery that runs."""
    invoice = unique_id("in")
    desk.recoveries.running.add((await store_recovery(desk.db, failure_event(invoice, amount=amount))).recovery_id)
    return invoice


async def start_reviewed_recovery(desk: ApiHarness) -> str:
    """One that waits for a review."""
    invoice = await start_recovery(desk)
    async with desk.db.begin() as session:
        before = await event_log.load_recovery(session, recovery_id("stripe", invoice))
        assert before
        data = {"action": "review", "reason": "configuration", "why": "x", "until": None}
        await event_log.append_to_log(
            session, before, [Event(type=EventType.RETRY_SKIPPED, occurred_at=app_now(), data=data)], app_now()
        )
    return invoice


async def submit_command(
    desk: ApiHarness, invoice: str, key: dict[str, str], action: str = "retry", **more: Any
) -> Any:
    """The response."""
    body = {"reason": f"because of {invoice}"} | more
    return await desk.client.post(f"/v1/recoveries/stripe/{invoice}/{action}", json=body, headers=key)


async def assert_refused(answer: Any, by: str) -> None:
    """Answered with 403, and a sentence that says what is missing."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "second_approver")
    assert f"{by} asked for it; another operator must ask for the same" in problem["detail"]


async def test_a_retry_above_the_limit_takes_two(desk: ApiHarness) -> None:
    ann, bob = await desk.create_key(*WRITE, name="ann"), await desk.create_key(*WRITE, name="bob")
    invoice = await start_recovery(desk)
    await assert_refused(await submit_command(desk, invoice, ann), "ann")
    await assert_refused(await submit_command(desk, invoice, ann), "ann")
    assert desk.recoveries.submitted_commands == []
    assert (await submit_command(desk, invoice, bob, reason="I looked at it")).status_code == 200
    ((_, wish),) = desk.recoveries.submitted_commands
    assert (wish.actor, wish.reason) == ("bob", "I looked at it")
    assert (wish.asked_by, wish.asked_reason) == ("ann", f"because of {invoice}")
    await assert_refused(await submit_command(desk, invoice, bob), "bob")


async def test_up_to_the_limit_one_is_enough(desk: ApiHarness) -> None:
    ann = await desk.create_key(*WRITE, name="ann")
    assert (await submit_command(desk, await start_recovery(desk, 1000), ann)).status_code == 200
    ((_, wish),) = desk.recoveries.submitted_commands
    assert wish.asked_by is None


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
async def test_what_charges_nothing_takes_one(action: str, desk: ApiHarness) -> None:
    assert (
        await submit_command(desk, await start_recovery(desk), await desk.create_key(*WRITE), action)
    ).status_code == 200


async def test_the_bootstrap_key_needs_a_second_person_too(desk: ApiHarness) -> None:
    invoice = await start_recovery(desk)
    await assert_refused(await submit_command(desk, invoice, ALL_SCOPES), "bootstrap")
    assert (await submit_command(desk, invoice, await desk.create_key(*WRITE, name="ann"))).status_code == 200


async def test_an_approval_takes_two_and_a_rejection_one(desk: ApiHarness) -> None:
    ann, bob = await desk.create_key(*WRITE, name="ann"), await desk.create_key(*WRITE, name="bob")
    invoice = await start_reviewed_recovery(desk)
    await assert_refused(await submit_command(desk, invoice, ann, "review", decision="approve"), "ann")
    assert (await submit_command(desk, invoice, bob, "review", decision="approve")).status_code == 200
    assert (await submit_command(desk, invoice, ann, "review", decision="reject")).status_code == 200
    assert [wish.asked_by for _, wish in desk.recoveries.submitted_commands] == ["ann", None]


async def test_what_is_refused_anyway_waits_for_nobody(desk: ApiHarness) -> None:
    ann = await desk.create_key(*WRITE, name="ann")
    invoice = unique_id("in")
    await store_recovery(desk.db, failure_event(invoice, amount=5000), canceled_event())
    assert (await submit_command(desk, invoice, ann)).json()["code"] == "closed"
    assert (await submit_command(desk, unique_id("in"), ann)).status_code == 404
    review = await submit_command(desk, await start_recovery(desk), ann, "review", decision="approve")
    assert (review.status_code, review.json()["code"]) == (422, "not_in_review")
    async with desk.db.begin() as session:
        assert await approvals.waiting_approvals(session, recovery_id("stripe", invoice), app_now()) == []


@pytest.mark.parametrize("error", [CommandRefused("network_limit", "Not now."), EngineUnavailable("Away.")])
async def test_without_effect_the_first_ones_command_goes_on_waiting(error: Exception, desk: ApiHarness) -> None:
    ann, bob = await desk.create_key(*WRITE, name="ann"), await desk.create_key(*WRITE, name="bob")
    invoice = await start_recovery(desk)
    await assert_refused(await submit_command(desk, invoice, ann), "ann")
    desk.recoveries.answer = error
    assert (await submit_command(desk, invoice, bob)).status_code in {409, 503}
    desk.recoveries.answer = ACCEPTED_STATUS
    assert (await submit_command(desk, invoice, bob)).status_code == 200
    assert desk.recoveries.submitted_commands[-1][1].asked_by == "ann"


async def test_the_same_request_sent_again_stays_approved(desk: ApiHarness) -> None:
    ann, bob = await desk.create_key(*WRITE, name="ann"), await desk.create_key(*WRITE, name="bob")
    invoice = await start_recovery(desk)
    await submit_command(desk, invoice, ann)
    for _ in range(2):
        assert (await submit_command(desk, invoice, bob | {"Idempotency-Key": "one"})).status_code == 200
    first, second = (wish for _, wish in desk.recoveries.submitted_commands)
    assert first == second


async def test_the_first_ones_command_is_in_the_audit(desk: ApiHarness) -> None:
    who = unique_id("ann")
    invoice = await start_recovery(desk)
    for _ in range(2):
        await submit_command(desk, invoice, await desk.create_key(*WRITE, name=who))
    async with desk.db.begin() as session:
        (entry,) = (await operator_actions.load_entries(session, actor=who)).items
    assert (entry.action, entry.subject) == (AuditAction.SECOND_ASKED, recovery_id("stripe", invoice))
    assert entry.detail["reason"] == f"because of {invoice}"
