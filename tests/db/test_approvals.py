"""Two people for one wish: kept, waiting, granted, released, over after a day."""

import asyncio
from datetime import timedelta

from core.approvals import HOLDS_FOR, Verdict
from core.contracts import Action, Command
from db.repositories import approvals
from db.repositories.approvals import Judgement
from db.session import Database
from tests.db.stories import NOW
from tests.intake.fakes import unique

SECOND = timedelta(seconds=1)


def wish(actor: str, action: Action = Action.RETRY, decision: str | None = None, request: str | None = None) -> Command:
    """What somebody wants."""
    return Command(action=action, actor=actor, reason=f"{actor} says so", decision=decision, request_id=request)


async def judge(db: Database, recovery: str, wanted: Command, after: timedelta = timedelta()) -> Judgement:
    """In a transaction of its own, as every request is."""
    async with db.begin() as session:
        return await approvals.judge(session, recovery, wanted, NOW + after)


async def test_the_first_asks_and_the_second_is_granted_with_the_first_ones_name(database: Database) -> None:
    name = unique("r")
    first = await judge(database, name, wish("ann"))
    assert first.verdict is Verdict.ASKS
    assert (await judge(database, name, wish("ann"), SECOND)).verdict is Verdict.WAITS
    second = await judge(database, name, wish("bob"), 2 * SECOND)
    assert second.verdict is Verdict.GRANTED
    assert (second.approval.asked_by, second.approval.ended_by) == ("ann", "bob")
    assert second.approval.reason == "ann says so"
    third = await judge(database, name, wish("carl"), 3 * SECOND)
    assert third.verdict is Verdict.ASKS


async def test_another_recovery_action_or_decision_is_another_wish(database: Database) -> None:
    name = unique("r")
    await judge(database, name, wish("ann", Action.REVIEW, "approve"))
    for other, wanted in (
        (unique("r"), wish("bob", Action.REVIEW, "approve")),
        (name, wish("bob")),
        (name, wish("bob", Action.REVIEW, "reject")),
    ):
        assert (await judge(database, other, wanted)).verdict is Verdict.ASKS
    assert (await judge(database, name, wish("bob", Action.REVIEW, "approve"))).verdict is Verdict.GRANTED


async def test_after_a_day_it_begins_anew(database: Database) -> None:
    name = unique("r")
    await judge(database, name, wish("ann"))
    late = await judge(database, name, wish("bob"), HOLDS_FOR)
    assert (late.verdict, late.approval.asked_by) == (Verdict.ASKS, "bob")
    assert (await judge(database, name, wish("ann"), HOLDS_FOR + SECOND)).verdict is Verdict.GRANTED


async def test_a_request_that_is_sent_again_stays_granted(database: Database) -> None:
    name = unique("r")
    await judge(database, name, wish("ann", request="a1"))
    assert not (await judge(database, name, wish("bob", request="b1"))).again
    again = await judge(database, name, wish("bob", request="b1"))
    assert (again.verdict, again.again, again.approval.asked_by) == (Verdict.GRANTED, True, "ann")
    assert (await judge(database, name, wish("bob", request="b2"))).verdict is Verdict.ASKS
    assert (await judge(database, name, wish("bob", Action.REVIEW, "approve", "b1"))).verdict is Verdict.ASKS


async def test_what_had_no_effect_waits_again(database: Database) -> None:
    name = unique("r")
    await judge(database, name, wish("ann"))
    granted = (await judge(database, name, wish("bob"))).approval
    async with database.begin() as session:
        await approvals.release(session, granted.id)
        assert [one.asked_by for one in await approvals.waiting(session, name, NOW)] == ["ann"]
    assert (await judge(database, name, wish("ann"))).verdict is Verdict.WAITS
    assert (await judge(database, name, wish("bob"))).verdict is Verdict.GRANTED


async def test_what_was_asked_anew_meanwhile_keeps_its_place(database: Database) -> None:
    name = unique("r")
    await judge(database, name, wish("ann"))
    granted = (await judge(database, name, wish("bob"))).approval
    await judge(database, name, wish("carl"))
    async with database.begin() as session:
        await approvals.release(session, granted.id)
        assert [one.asked_by for one in await approvals.waiting(session, name, NOW)] == ["carl"]


async def test_only_open_ones_are_shown(database: Database) -> None:
    name, other = unique("r"), unique("r")
    await judge(database, name, wish("ann"))
    await judge(database, other, wish("ann"))
    await judge(database, other, wish("bob"))
    async with database.begin() as session:
        assert [one.recovery_id for one in await approvals.waiting(session, name, NOW)] == [name]
        assert name in {one.recovery_id for one in await approvals.all_waiting(session, NOW)}
        assert await approvals.waiting(session, other, NOW) == []
        assert await approvals.waiting(session, name, NOW + HOLDS_FOR) == []


async def test_many_at_once_are_one_first_and_one_second(database: Database) -> None:
    name = unique("r")
    people = [wish(f"p{n}") for n in range(8)]
    found = [one.verdict for one in await asyncio.gather(*(judge(database, name, one) for one in people))]
    assert found.count(Verdict.ASKS) == found.count(Verdict.GRANTED) == 4
    assert Verdict.WAITS not in found
