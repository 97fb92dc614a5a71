"""Two people for retries and approvals above the policy's amount, over HTTP with two keys."""

from typing import Any

import pytest

from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable
from core.events import Event, EventType, State
from core.ids import recovery_id
from db.repositories import approvals, event_log, operator_actions
from db.repositories.operator_actions import AuditAction
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now
from tests.intake.fakes import canceled_event, failure_event, store_recovery, unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
WRITE = ("recoveries:read", "recoveries:write")


@pytest.fixture
def answering_harness(two_people: ApiHarness) -> ApiHarness:
    """A harness whose recoveries accept commands."""
    two_people.recoveries.answer = ACCEPTED_STATUS
    return two_people


async def start_recovery(answering_harness: ApiHarness, amount: int = 1001) -> str:
    """The invoice of a running recovery."""
    invoice = unique_id("in")
    answering_harness.recoveries.running.add(
        (await store_recovery(answering_harness.db, failure_event(invoice, amount=amount))).recovery_id
    )
    return invoice


async def start_reviewed_recovery(answering_harness: ApiHarness) -> str:
    """The invoice of a recovery that waits for a review."""
    invoice = await start_recovery(answering_harness)
    async with answering_harness.db.begin() as session:
        before = await event_log.load_recovery(session, recovery_id("stripe", invoice))
        assert before
        data = {"action": "review", "reason": "configuration", "why": "x", "until": None}
        await event_log.append_to_log(
            session, before, [Event(type=EventType.RETRY_SKIPPED, occurred_at=app_now(), data=data)], app_now()
        )
    return invoice


async def submit_command(
    answering_harness: ApiHarness, invoice: str, key: dict[str, str], action: str = "retry", **more: Any
) -> Any:
    """The response to the command."""
    body = {"reason": f"because of {invoice}"} | more
    return await answering_harness.client.post(f"/v1/recoveries/stripe/{invoice}/{action}", json=body, headers=key)


async def assert_refused(answer: Any, by: str) -> None:
    """Asserts a 403 whose sentence names the missing second person."""
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["code"] == "second_approver"
    assert f"{by} submitted the command; another operator must submit the same" in problem["detail"]


async def test_retry_above_the_limit_needs_two_people(answering_harness: ApiHarness) -> None:
    ann, bob = (
        await answering_harness.create_key(*WRITE, name="ann"),
        await answering_harness.create_key(*WRITE, name="bob"),
    )
    invoice = await start_recovery(answering_harness)
    await assert_refused(await submit_command(answering_harness, invoice, ann), "ann")
    await assert_refused(await submit_command(answering_harness, invoice, ann), "ann")
    assert answering_harness.recoveries.submitted_commands == []
    assert (await submit_command(answering_harness, invoice, bob, reason="I looked at it")).status_code == 200
    ((_, command),) = answering_harness.recoveries.submitted_commands
    assert (command.actor, command.reason) == ("bob", "I looked at it")
    assert (command.asked_by, command.asked_reason) == ("ann", f"because of {invoice}")
    await assert_refused(await submit_command(answering_harness, invoice, bob), "bob")


async def test_retry_up_to_the_limit_needs_one_person(answering_harness: ApiHarness) -> None:
    ann = await answering_harness.create_key(*WRITE, name="ann")
    assert (
        await submit_command(answering_harness, await start_recovery(answering_harness, 1000), ann)
    ).status_code == 200
    ((_, command),) = answering_harness.recoveries.submitted_commands
    assert command.asked_by is None


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
async def test_commands_without_a_charge_need_one_person(action: str, answering_harness: ApiHarness) -> None:
    assert (
        await submit_command(
            answering_harness,
            await start_recovery(answering_harness),
            await answering_harness.create_key(*WRITE),
            action,
        )
    ).status_code == 200


async def test_the_bootstrap_key_needs_a_second_person_too(answering_harness: ApiHarness) -> None:
    invoice = await start_recovery(answering_harness)
    await assert_refused(await submit_command(answering_harness, invoice, ALL_SCOPES), "bootstrap")
    assert (
        await submit_command(answering_harness, invoice, await answering_harness.create_key(*WRITE, name="ann"))
    ).status_code == 200


async def test_the_bootstrap_key_is_never_the_second_person(answering_harness: ApiHarness) -> None:
    ann = await answering_harness.create_key(*WRITE, name="ann")
    invoice = await start_recovery(answering_harness)
    await assert_refused(await submit_command(answering_harness, invoice, ann), "ann")
    told = await submit_command(answering_harness, invoice, ALL_SCOPES)
    await assert_refused(told, "ann")
    assert "The bootstrap key is never the second person." in told.json()["detail"]
    assert answering_harness.recoveries.submitted_commands == []
    bob = await answering_harness.create_key(*WRITE, name="bob")
    assert (await submit_command(answering_harness, invoice, bob)).status_code == 200


@pytest.mark.parametrize("spelling", ["Ann", "ann ", "ANN", "\uff41nn", "a\u200bnn"])
async def test_one_person_with_two_keys_is_not_two_people(spelling: str, answering_harness: ApiHarness) -> None:
    ann, again = [await answering_harness.create_key(*WRITE, name=name) for name in ("ann", spelling)]
    invoice = await start_recovery(answering_harness)
    for key in (ann, again):
        await assert_refused(await submit_command(answering_harness, invoice, key), "ann")
    assert answering_harness.recoveries.submitted_commands == []


async def test_approval_needs_two_people_and_rejection_one(answering_harness: ApiHarness) -> None:
    ann, bob = (
        await answering_harness.create_key(*WRITE, name="ann"),
        await answering_harness.create_key(*WRITE, name="bob"),
    )
    invoice = await start_reviewed_recovery(answering_harness)
    await assert_refused(await submit_command(answering_harness, invoice, ann, "review", decision="approve"), "ann")
    assert (await submit_command(answering_harness, invoice, bob, "review", decision="approve")).status_code == 200
    assert (await submit_command(answering_harness, invoice, ann, "review", decision="reject")).status_code == 200
    assert [command.asked_by for _, command in answering_harness.recoveries.submitted_commands] == ["ann", None]


async def test_refused_command_creates_no_approval_request(answering_harness: ApiHarness) -> None:
    ann = await answering_harness.create_key(*WRITE, name="ann")
    invoice = unique_id("in")
    await store_recovery(answering_harness.db, failure_event(invoice, amount=5000), canceled_event())
    assert (await submit_command(answering_harness, invoice, ann)).json()["code"] == "closed"
    assert (await submit_command(answering_harness, unique_id("in"), ann)).status_code == 404
    review = await submit_command(
        answering_harness, await start_recovery(answering_harness), ann, "review", decision="approve"
    )
    assert (review.status_code, review.json()["code"]) == (422, "not_in_review")
    async with answering_harness.db.begin() as session:
        assert await approvals.waiting_approvals(session, recovery_id("stripe", invoice), app_now()) == []


@pytest.mark.parametrize("error", [CommandRefused("network_limit", "Not now."), EngineUnavailable("Away.")])
async def test_approval_request_stays_open_if_the_command_had_no_effect(
    error: Exception, answering_harness: ApiHarness
) -> None:
    ann, bob = (
        await answering_harness.create_key(*WRITE, name="ann"),
        await answering_harness.create_key(*WRITE, name="bob"),
    )
    invoice = await start_recovery(answering_harness)
    await assert_refused(await submit_command(answering_harness, invoice, ann), "ann")
    answering_harness.recoveries.answer = error
    assert (await submit_command(answering_harness, invoice, bob)).status_code in {409, 503}
    answering_harness.recoveries.answer = ACCEPTED_STATUS
    assert (await submit_command(answering_harness, invoice, bob)).status_code == 200
    assert answering_harness.recoveries.submitted_commands[-1][1].asked_by == "ann"


async def test_the_same_request_sent_again_stays_approved(answering_harness: ApiHarness) -> None:
    ann, bob = (
        await answering_harness.create_key(*WRITE, name="ann"),
        await answering_harness.create_key(*WRITE, name="bob"),
    )
    invoice = await start_recovery(answering_harness)
    await submit_command(answering_harness, invoice, ann)
    for _ in range(2):
        assert (await submit_command(answering_harness, invoice, bob | {"Idempotency-Key": "one"})).status_code == 200
    first, second = (command for _, command in answering_harness.recoveries.submitted_commands)
    assert first == second


async def test_command_of_the_first_person_is_audited(answering_harness: ApiHarness) -> None:
    operator = unique_id("ann")
    invoice = await start_recovery(answering_harness)
    for _ in range(2):
        await submit_command(answering_harness, invoice, await answering_harness.create_key(*WRITE, name=operator))
    async with answering_harness.db.begin() as session:
        (entry,) = (await operator_actions.load_entries(session, actor=operator)).items
    assert (entry.action, entry.subject) == (AuditAction.SECOND_ASKED, recovery_id("stripe", invoice))
    assert entry.detail["reason"] == f"because of {invoice}"
