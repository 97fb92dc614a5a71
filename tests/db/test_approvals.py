"""Two people for one command: stored, waiting, granted, released, expired after a day."""

import asyncio
from datetime import timedelta

from core.operators import APPROVAL_LIFETIME, Action, ApprovalStatus, Command
from db.repositories import approvals
from db.repositories.approvals import ApprovalJudgement
from db.session import Database
from tests.db.recovery_events import NOW
from tests.intake.fakes import unique_id

SECOND = timedelta(seconds=1)


def command_of(
    actor: str, action: Action = Action.RETRY, decision: str | None = None, request_id: str | None = None
) -> Command:
    """An operator command."""
    return Command(action=action, actor=actor, reason=f"{actor} says so", decision=decision, request_id=request_id)


async def judge_command(
    db: Database, recovery: str, command: Command, after: timedelta = timedelta()
) -> ApprovalJudgement:
    """The judgement of a command, in a transaction of its own."""
    async with db.begin() as session:
        return await approvals.judge_command(session, recovery, command, NOW + after)


async def test_second_person_is_granted_with_the_first_persons_name(database: Database) -> None:
    name = unique_id("r")
    first = await judge_command(database, name, command_of("ann"))
    assert first.verdict is ApprovalStatus.REQUESTED
    assert (await judge_command(database, name, command_of("ann"), SECOND)).verdict is ApprovalStatus.PENDING
    second = await judge_command(database, name, command_of("bob"), 2 * SECOND)
    assert second.verdict is ApprovalStatus.GRANTED
    assert (second.approval.asked_by, second.approval.ended_by) == ("ann", "bob")
    assert second.approval.reason == "ann says so"
    third = await judge_command(database, name, command_of("carl"), 3 * SECOND)
    assert third.verdict is ApprovalStatus.REQUESTED


async def test_another_recovery_action_or_decision_is_another_command(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann", Action.REVIEW, "approve"))
    for other, expected in (
        (unique_id("r"), command_of("bob", Action.REVIEW, "approve")),
        (name, command_of("bob")),
        (name, command_of("bob", Action.REVIEW, "reject")),
    ):
        assert (await judge_command(database, other, expected)).verdict is ApprovalStatus.REQUESTED
    assert (
        await judge_command(database, name, command_of("bob", Action.REVIEW, "approve"))
    ).verdict is ApprovalStatus.GRANTED


async def test_approval_request_expires_after_a_day(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann"))
    late = await judge_command(database, name, command_of("bob"), APPROVAL_LIFETIME)
    assert (late.verdict, late.approval.asked_by) == (ApprovalStatus.REQUESTED, "bob")
    assert (
        await judge_command(database, name, command_of("ann"), APPROVAL_LIFETIME + SECOND)
    ).verdict is ApprovalStatus.GRANTED


async def test_a_request_that_is_sent_again_stays_granted(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann", request_id="a1"))
    assert not (await judge_command(database, name, command_of("bob", request_id="b1"))).was_granted_before
    again = await judge_command(database, name, command_of("bob", request_id="b1"))
    assert (again.verdict, again.was_granted_before, again.approval.asked_by) == (ApprovalStatus.GRANTED, True, "ann")
    assert (await judge_command(database, name, command_of("bob", request_id="b2"))).verdict is ApprovalStatus.REQUESTED
    assert (
        await judge_command(database, name, command_of("bob", Action.REVIEW, "approve", "b1"))
    ).verdict is ApprovalStatus.REQUESTED


async def test_grant_without_effect_is_reopened(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann"))
    granted = (await judge_command(database, name, command_of("bob"))).approval
    async with database.begin() as session:
        await approvals.release_approval(session, granted.id)
        assert [approval.asked_by for approval in await approvals.waiting_approvals(session, name, NOW)] == ["ann"]
    assert (await judge_command(database, name, command_of("ann"))).verdict is ApprovalStatus.PENDING
    assert (await judge_command(database, name, command_of("bob"))).verdict is ApprovalStatus.GRANTED


async def test_newer_request_is_kept_when_an_older_is_reopened(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann"))
    granted = (await judge_command(database, name, command_of("bob"))).approval
    await judge_command(database, name, command_of("carl"))
    async with database.begin() as session:
        await approvals.release_approval(session, granted.id)
        assert [approval.asked_by for approval in await approvals.waiting_approvals(session, name, NOW)] == ["carl"]


async def test_only_open_ones_are_shown(database: Database) -> None:
    name, other = unique_id("r"), unique_id("r")
    await judge_command(database, name, command_of("ann"))
    await judge_command(database, other, command_of("ann"))
    await judge_command(database, other, command_of("bob"))
    async with database.begin() as session:
        assert [approval.recovery_id for approval in await approvals.waiting_approvals(session, name, NOW)] == [name]
        assert name in {approval.recovery_id for approval in await approvals.all_waiting_approvals(session, NOW)}
        assert await approvals.waiting_approvals(session, other, NOW) == []
        assert await approvals.waiting_approvals(session, name, NOW + APPROVAL_LIFETIME) == []


async def test_one_person_is_no_second_one_under_another_spelling(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann"))
    for spelling in ("Ann", "ann ", "ANN", "a\u200bnn"):
        assert (await judge_command(database, name, command_of(spelling), SECOND)).verdict is ApprovalStatus.PENDING
    assert (await judge_command(database, name, command_of("Bob"), SECOND)).verdict is ApprovalStatus.GRANTED


async def test_who_may_not_be_second_leaves_the_request_waiting(database: Database) -> None:
    name = unique_id("r")
    await judge_command(database, name, command_of("ann"))
    async with database.begin() as session:
        judged = await approvals.judge_command(session, name, command_of("bootstrap"), NOW, may_be_second=False)
        assert (judged.verdict, judged.approval.asked_by) == (ApprovalStatus.PENDING, "ann")
    assert (await judge_command(database, name, command_of("bob"))).verdict is ApprovalStatus.GRANTED


async def test_concurrent_requests_have_one_first_and_one_second(database: Database) -> None:
    name = unique_id("r")
    people = [command_of(f"p{n}") for n in range(8)]
    verdicts = [
        judgment.verdict
        for judgment in await asyncio.gather(*(judge_command(database, name, person) for person in people))
    ]
    assert verdicts.count(ApprovalStatus.REQUESTED) == verdicts.count(ApprovalStatus.GRANTED) == 4
    assert ApprovalStatus.PENDING not in verdicts


async def test_concurrent_requests_of_one_person_in_many_spellings_stay_one_request(database: Database) -> None:
    name = unique_id("r")
    spellings = [command_of(one) for one in ("ann", "Ann", "ANN", " ann", "aNn", "ann ")]
    judged = await asyncio.gather(*(judge_command(database, name, one) for one in spellings))
    verdicts = [one.verdict for one in judged]
    assert (verdicts.count(ApprovalStatus.REQUESTED), verdicts.count(ApprovalStatus.PENDING)) == (1, 5)
