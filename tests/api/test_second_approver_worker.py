"""Only the worker's policy asks for two people: the API learns it from the refusal, and knows who asked."""

from datetime import timedelta

import pytest

from activities.approvals import Approvals, granted_in
from core.approvals import OperatorRules, unapproved
from core.contracts import Command, RecoveryStatus
from core.errors import Refused
from core.events import State
from core.retry.reactions import commanded
from db.repositories import approvals, event_log
from tests.api.house import House, now
from tests.api.test_second_approver import WRITE, ask, in_review, refused, running

DONE = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
LIMITS = OperatorRules(second_approver_above={"EUR": 1000})


class WorkersPolicy:
    """Answers as a recovery does whose worker holds every command against the table of approvals."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._approvals = Approvals(lambda: LIMITS, granted_in(house.db))
        self._answers: dict[str | None, Refused | None] = {}
        self.followed: list[Command] = []

    async def ask(self, recovery_id: str, command: Command, _: timedelta) -> RecoveryStatus:
        """Temporal answers an update that it knows as it did before."""
        if command.request_id not in self._answers:
            self._answers[command.request_id] = await self._refusal(recovery_id, command)
        if refusal := self._answers[command.request_id]:
            raise refusal
        self.followed.append(command)
        return DONE

    async def _refusal(self, recovery_id: str, command: Command) -> Refused | None:
        async with self._house.db.begin() as session:
            recovery = await event_log.recovery(session, recovery_id)
        assert recovery
        return await self._approvals.refusal(recovery, (commanded(command, now()),))


@pytest.fixture
def worker(house: House, monkeypatch: pytest.MonkeyPatch) -> WorkersPolicy:
    """In the place of the house's recoveries, whose own policy asks for one person."""
    known = WorkersPolicy(house)
    monkeypatch.setattr(house.recoveries, "ask", known.ask)
    return known


async def test_a_retry_takes_two(house: House, worker: WorkersPolicy) -> None:
    ann, bob = await house.key(*WRITE, name="ann"), await house.key(*WRITE, name="bob")
    invoice = await running(house)
    await refused(await ask(house, invoice, ann), "ann")
    await refused(await ask(house, invoice, ann), "ann")
    assert worker.followed == []
    assert (await ask(house, invoice, bob, reason="I looked at it")).status_code == 200
    (wish,) = worker.followed
    assert (wish.actor, wish.reason, wish.asked_by) == ("bob", "I looked at it", "ann")
    assert wish.asked_reason == f"because of {invoice}"


async def test_an_approval_takes_two_and_a_rejection_one(house: House, worker: WorkersPolicy) -> None:
    ann, bob = await house.key(*WRITE, name="ann"), await house.key(*WRITE, name="bob")
    invoice = await in_review(house)
    assert (await ask(house, invoice, ann, "review", decision="reject")).status_code == 200
    await refused(await ask(house, invoice, ann, "review", decision="approve"), "ann")
    assert (await ask(house, invoice, bob, "review", decision="approve")).status_code == 200
    assert [wish.decision for wish in worker.followed] == ["reject", "approve"]


async def test_up_to_the_limit_one_is_enough(house: House, worker: WorkersPolicy) -> None:
    assert (await ask(house, await running(house, 1000), await house.key(*WRITE, name="ann"))).status_code == 200
    assert worker.followed[0].asked_by is None


async def test_the_same_request_sent_again_stays_as_it_was(house: House, worker: WorkersPolicy) -> None:
    ann, bob = await house.key(*WRITE, name="ann"), await house.key(*WRITE, name="bob")
    invoice = await running(house)
    for _ in range(2):
        await refused(await ask(house, invoice, ann | {"Idempotency-Key": "one"}), "ann")
    for _ in range(2):
        assert (await ask(house, invoice, bob | {"Idempotency-Key": "one"})).status_code == 200
    first, second = worker.followed
    assert first == second


async def test_nobody_is_approved_by_saying_so(house: House, worker: WorkersPolicy) -> None:
    """As an update by Temporal's own command line, with names that anybody can type."""
    invoice = await running(house)
    forged = Command(action="retry", actor="bob", asked_by="ann", asked_reason="both of us", request_id="made-up")
    with pytest.raises(Refused) as caught:
        await worker.ask(f"recovery-stripe-{invoice}", forged, timedelta(seconds=5))
    assert (caught.value.code, str(caught.value)) == (unapproved().code, str(unapproved()))
    async with house.db.begin() as session:
        assert await approvals.waiting(session, f"recovery-stripe-{invoice}", now()) == []
