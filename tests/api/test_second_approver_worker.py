"""Only the worker's policy asks for two people: the API learns it from the refusal."""

from datetime import timedelta

import pytest

from activities.recording import ApprovalCheck, stored_approval_lookup
from core.contracts import RecoveryStatus
from core.errors import CommandRefused
from core.events import State
from core.operators import Command, OperatorRules, second_approver_refusal
from core.recovery.commands import command_event
from db.repositories import approvals, event_log, operator_actions
from tests.api.harness import ApiHarness, app_now
from tests.api.test_second_approver import (
    WRITE,
    assert_refused,
    start_recovery,
    start_reviewed_recovery,
    submit_command,
)
from tests.intake.fakes import unique_id

ACCEPTED_STATUS = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
LIMITS = OperatorRules(second_approver_above={"EUR": 1000})


class ApprovalWorker:
    """A fake recovery whose worker checks every command against the table of approvals."""

    def __init__(self, harness: ApiHarness) -> None:
        self._house = harness
        self._approvals = ApprovalCheck(lambda: LIMITS, stored_approval_lookup(harness.db))
        self._answers: dict[str | None, CommandRefused | None] = {}
        self.followed: list[Command] = []

    async def submit_command(self, recovery_id: str, command: Command, _: timedelta) -> RecoveryStatus:
        """The status; for a repeated update the first answer again, as Temporal does."""
        if command.request_id not in self._answers:
            self._answers[command.request_id] = await self._refusal(recovery_id, command)
        if refusal := self._answers[command.request_id]:
            raise refusal
        self.followed.append(command)
        return ACCEPTED_STATUS

    async def _refusal(self, recovery_id: str, command: Command) -> CommandRefused | None:
        async with self._house.db.begin() as session:
            recovery = await event_log.load_recovery(session, recovery_id)
        assert recovery
        return await self._approvals.find_refusal(recovery, (command_event(command, app_now()),))


@pytest.fixture
def worker(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> ApprovalWorker:
    """The approval worker in place of the harness's recoveries, whose own policy asks for one person."""
    approval_worker = ApprovalWorker(harness)
    monkeypatch.setattr(harness.recoveries, "submit_command", approval_worker.submit_command)
    return approval_worker


async def test_retry_needs_two_people(harness: ApiHarness, worker: ApprovalWorker) -> None:
    ann, bob = await harness.create_key(*WRITE, name="ann"), await harness.create_key(*WRITE, name="bob")
    invoice = await start_recovery(harness)
    await assert_refused(await submit_command(harness, invoice, ann), "ann")
    await assert_refused(await submit_command(harness, invoice, ann), "ann")
    assert worker.followed == []
    assert (await submit_command(harness, invoice, bob, reason="I looked at it")).status_code == 200
    (command,) = worker.followed
    assert (command.actor, command.reason, command.asked_by) == ("bob", "I looked at it", "ann")
    assert command.asked_reason == f"because of {invoice}"


async def test_approval_needs_two_people_and_rejection_one(harness: ApiHarness, worker: ApprovalWorker) -> None:
    ann, bob = await harness.create_key(*WRITE, name="ann"), await harness.create_key(*WRITE, name="bob")
    invoice = await start_reviewed_recovery(harness)
    assert (await submit_command(harness, invoice, ann, "review", decision="reject")).status_code == 200
    await assert_refused(await submit_command(harness, invoice, ann, "review", decision="approve"), "ann")
    assert (await submit_command(harness, invoice, bob, "review", decision="approve")).status_code == 200
    assert [command.decision for command in worker.followed] == ["reject", "approve"]


async def test_retry_up_to_the_limit_needs_one_person(harness: ApiHarness, worker: ApprovalWorker) -> None:
    assert (
        await submit_command(harness, await start_recovery(harness, 1000), await harness.create_key(*WRITE, name="ann"))
    ).status_code == 200
    assert worker.followed[0].asked_by is None


async def test_the_same_request_sent_again_stays_as_it_was(harness: ApiHarness, worker: ApprovalWorker) -> None:
    ann, bob = await harness.create_key(*WRITE, name="ann"), await harness.create_key(*WRITE, name="bob")
    invoice = await start_recovery(harness)
    for _ in range(2):
        await assert_refused(await submit_command(harness, invoice, ann | {"Idempotency-Key": "one"}), "ann")
    for _ in range(2):
        assert (await submit_command(harness, invoice, bob | {"Idempotency-Key": "one"})).status_code == 200
    first, second = worker.followed
    assert first == second


async def test_client_cannot_claim_an_approval(harness: ApiHarness, worker: ApprovalWorker) -> None:
    """An update by Temporal's own command line may carry any name."""
    invoice = await start_recovery(harness)
    forged = Command(action="retry", actor="bob", asked_by="ann", asked_reason="both of us", request_id="made-up")
    with pytest.raises(CommandRefused) as excinfo:
        await worker.submit_command(f"recovery-stripe-{invoice}", forged, timedelta(seconds=5))
    assert (excinfo.value.code, str(excinfo.value)) == (second_approver_refusal().code, str(second_approver_refusal()))
    async with harness.db.begin() as session:
        assert await approvals.waiting_approvals(session, f"recovery-stripe-{invoice}", app_now()) == []


async def test_retry_of_two_people_takes_one_place_under_the_cap(harness: ApiHarness, worker: ApprovalWorker) -> None:
    names = [unique_id("ann"), unique_id("bob")]
    ann, bob = [await harness.create_key(*WRITE, name=name) for name in names]
    invoice = await start_recovery(harness)
    await assert_refused(await submit_command(harness, invoice, ann), names[0])
    assert (await submit_command(harness, invoice, bob)).status_code == 200
    async with harness.db.begin() as session:
        held = await operator_actions.load_held_retries(session, app_now() - timedelta(hours=1))
    assert [(one.actor, one.request_id) for one in held if one.actor in names] == [
        (names[1], worker.followed[0].request_id)
    ]
