"""Submits operator commands to recoveries: hourly cap, approval by two people, and the wait for the effect."""

import asyncio
import hashlib
import uuid
from datetime import timedelta
from typing import Final, NamedTuple

from api.deps import Parts
from api.recoveries import load_recovery_view
from api.retry_cap import reserve_retry, unlimited
from api.views import RecoveryView
from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable, NotFound, RecoveryError, RunClosed
from core.events import State
from core.ids import recovery_id
from core.operators import (
    SECOND_APPROVER,
    Action,
    ApprovalStatus,
    Command,
    describe_approval_request,
    needs_second_approver,
)
from core.recovery.commands import check_command
from core.recovery.state import Recovery
from db.repositories import approvals, operator_actions, operator_signals, recoveries
from db.repositories.approvals import ApprovalJudgement
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Database
from intake.recovery_store import RecoveryStore

POLL_INTERVAL = timedelta(milliseconds=100)


async def wait_for_charge(database: Database, recovery_id: str) -> None:
    """Returns when a charge begins that had not begun before the call. Waits without limit: the caller cancels it.

    Raises StoreUnavailable.
    """
    known = await _charging_since(database, recovery_id)
    # Polled, since the row is written by another process.
    while (now := await _charging_since(database, recovery_id)) is None or now == known:  # noqa: ASYNC110
        await asyncio.sleep(POLL_INTERVAL.total_seconds())


async def _charging_since(database: Database, recovery_id: str) -> int | None:
    """The sequence at which the recovery is charging; None if no charge is in flight."""
    async with database.begin() as session:
        row = await recoveries.load_recovery_row(session, recovery_id)
    return row["sequence"] if row and row["state"] == State.CHARGING else None


ANSWER_TIMEOUT: Final = timedelta(seconds=5)
"""How long a worker may take to answer before the command is left as a signal."""
LEAVE_SIGNAL_WITHIN: Final = timedelta(seconds=5)


class SubmittedCommand(NamedTuple):
    """The recovery after a command."""

    recovery: RecoveryView
    is_handled: bool
    """False if no worker answered in time: the command is left as a signal and handled later."""


async def submit_command(
    parts: Parts,
    provider: str,
    invoice_id: str,
    actor: str,
    action: Action,
    reason: str,
    decision: str | None = None,
    request_id: str | None = None,
    *,
    capped: bool = True,
    may_be_second: bool = True,
) -> SubmittedCommand:
    """Submits a command to the recovery and waits for its effect.

    `request_id` comes from `derive_request_id`; commands with the same one act once. Raises CommandRefused with the
    recovery's reason, or with the code `second_approver` if a second person must submit the same command, which who
    holds the bootstrap key (`may_be_second` False) never is; TooManyRequests beyond the hourly cap on retries;
    NotFound, InvalidPolicy, EngineUnavailable, StoreUnavailable.
    """
    command = Command(
        action=action, actor=actor, reason=reason, decision=decision, request_id=request_id or uuid.uuid4().hex
    )
    name, is_counted = recovery_id(provider, invoice_id), capped and action is Action.RETRY
    # The place under the cap comes first, the approval second, the command last: nothing is asked of the recovery
    # before both are reserved.
    async with reserve_retry(parts, name, command) if is_counted else unlimited(parts, name) as place:
        approval_judgement = await _find_approval(parts, provider, invoice_id, command, may_be_second)
        try:
            heeded = await _carry_out(parts, provider, invoice_id, command, approval_judgement)
        except CommandRefused as refusal:
            if approval_judgement or refusal.code != SECOND_APPROVER:
                raise
            # The worker's policy requires two people where this process's doesn't, for example just after a change.
            again = _as_new_request(command)
            await place.follow(again)
            approval_judgement = await _require_approval(parts, name, again, may_be_second)
            heeded = await _carry_out(parts, provider, invoice_id, again, approval_judgement)
    return SubmittedCommand(await load_recovery_view(parts, provider, invoice_id), heeded)


def _as_new_request(command: Command) -> Command:
    """The same command under a new id: to a known id Temporal repeats its earlier answer, the rejection."""
    return command.model_copy(update={"request_id": derive_request_id(command.actor, f"{command.request_id} approved")})


async def _carry_out(
    parts: Parts, provider: str, invoice_id: str, command: Command, judgement: ApprovalJudgement | None
) -> bool:
    """Submits the command, with the first person's name and reason if it took two; whether it had its effect.

    After any error the first person's request waits again.
    """
    if judgement:
        approval = judgement.approval
        command = command.model_copy(update={"asked_by": approval.asked_by, "asked_reason": approval.reason})
    try:
        return await _await_effect(parts, provider, invoice_id, command)
    except RecoveryError:
        await _release_approval(parts, judgement)
        raise


def derive_request_id(actor: str, given: str | None) -> str:
    """The id of a command: derived from actor and `given`, random if None is given.

    An update and the signal left after it carry the same id, so that the command acts once.
    """
    # With the actor in it, two callers who choose the same Idempotency-Key don't share an id.
    if given is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{actor}\n{given}".encode(errors="replace")).hexdigest()


async def _find_approval(
    parts: Parts, provider: str, invoice_id: str, command: Command, may_be_second: bool
) -> ApprovalJudgement | None:
    """The first person's request, if the command takes two people and this is the second; None if one is enough.

    Raises CommandRefused with the code `second_approver` for the first person.
    """
    if command.action not in {Action.RETRY, Action.REVIEW}:
        return None
    rules, known = parts.policy().operators, await load_recovery_view(parts, provider, invoice_id)
    if not needs_second_approver(rules, command.action, command.decision, known.amount, known.currency):
        return None
    return await _require_approval(parts, known.recovery_id, command, may_be_second)


async def _require_approval(parts: Parts, name: str, command: Command, may_be_second: bool) -> ApprovalJudgement:
    """The first person's request, granted by this command. Raises CommandRefused for the first person."""
    judgement = await _judge_approval(parts, name, command, may_be_second)
    if judgement.verdict is ApprovalStatus.GRANTED:
        return judgement
    raise CommandRefused(SECOND_APPROVER, describe_approval_request(judgement.approval, may_be_second=may_be_second))


async def _judge_approval(parts: Parts, name: str, command: Command, may_be_second: bool) -> ApprovalJudgement:
    stored, now = await RecoveryStore(parts.database).load_recovery(name), parts.clock()
    async with parts.database.begin() as session:
        judgement = await approvals.judge_command(session, name, command, now, may_be_second=may_be_second)
        if stored and judgement.verdict is not ApprovalStatus.GRANTED:
            # A command that the recovery would refuse anyway needs no second person: the error rolls the request back.
            check_command(stored, command)
        if judgement.verdict is ApprovalStatus.REQUESTED:
            detail = {"action": command.action.value, "decision": command.decision, "reason": command.reason}
            done = AuditEntry(actor=command.actor, action=AuditAction.SECOND_ASKED, subject=name, detail=detail)
            await operator_actions.record_entry(session, done, now)
    return judgement


async def _release_approval(parts: Parts, judgement: ApprovalJudgement | None) -> None:
    """Makes the first person's request wait again, so that the second person can repeat a command without effect."""
    # One that was granted to an earlier request may have had its effect then, so it stays granted.
    if judgement and not judgement.was_granted_before:
        async with parts.database.begin() as session:
            await approvals.release_approval(session, judgement.approval.id)


async def _await_effect(parts: Parts, provider: str, invoice_id: str, command: Command) -> bool:
    """Whether the command had its effect; False if it is only left as a signal.

    A retry has its effect when the attempt has begun, which the log shows before the workflow can answer. Raises
    CommandRefused, NotFound, EngineUnavailable, StoreUnavailable.
    """
    asking = parts.background.start_work(_submit_in_time(parts, provider, invoice_id, command))
    if command.action is Action.RETRY:
        begun = parts.background.start_work(wait_for_charge(parts.database, recovery_id(provider, invoice_id)))
        await asyncio.wait({asking, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if not asking.done():
            return True
    if await asking is not None:
        return True
    # Temporal has it as a signal, and may lose it: the relay looks after it until the log shows it.
    async with parts.database.begin() as session:
        name = recovery_id(provider, invoice_id)
        await operator_signals.store_signal(session, provider, invoice_id, name, command, parts.clock())
    return False


async def _submit_in_time(parts: Parts, provider: str, invoice_id: str, command: Command) -> RecoveryStatus | None:
    """Submits the command; if the recovery has no run, starts one first. None if it is left as a signal.

    Raises CommandRefused, NotFound, and EngineUnavailable after ten seconds without an answer.
    """
    try:
        async with asyncio.timeout((ANSWER_TIMEOUT + LEAVE_SIGNAL_WITHIN).total_seconds()):
            return await _submit_or_restart(parts, provider, invoice_id, command)
    except TimeoutError:
        raise EngineUnavailable("Temporal does not answer in time; whether it took the command is not known.") from None


async def _submit_or_restart(parts: Parts, provider: str, invoice_id: str, command: Command) -> RecoveryStatus | None:
    name = recovery_id(provider, invoice_id)
    try:
        return await parts.recoveries.submit_command(name, command, ANSWER_TIMEOUT)
    except CommandRefused as refusal:
        # The closing row is committed a moment before the workflow knows of it: say `closed` then, not `in_flight`.
        if refusal.code == "in_flight":
            _refuse_ended(await RecoveryStore(parts.database).load_recovery(name))
        raise
    except NotFound:
        await _ensure_running(parts, provider, invoice_id)
    try:
        return await parts.recoveries.submit_command(name, command, ANSWER_TIMEOUT)
    except NotFound:
        raise CommandRefused("closed", "This recovery has ended.") from None


async def _ensure_running(parts: Parts, provider: str, invoice_id: str) -> None:
    known = RecoveryStore(parts.database)
    stored = await known.load_recovery(recovery_id(provider, invoice_id))
    _refuse_ended(stored)
    try:
        if stored:
            await parts.recoveries.ensure_running(provider, invoice_id)
        elif opening := await known.find_opening_failure(provider, invoice_id):
            await parts.recoveries.start_recovery(opening)
        else:
            raise NotFound("There is no recovery of that name.")
    except RunClosed:
        raise CommandRefused("closed", "This recovery has ended.") from None


def _refuse_ended(stored: Recovery | None) -> None:
    if stored and stored.stage.is_final:
        raise CommandRefused("closed", f"This recovery has ended {stored.state.value}: {stored.close_reason}.")
