"""What an operator wishes is put to the recovery: caps, second approvers, then its workflow's own answer.

Shared by the HTTP API and the desk. Nothing is decided about money here.
"""

import asyncio
import hashlib
import uuid
from datetime import timedelta
from typing import Final, NamedTuple

from api.begun import begins
from api.deps import Parts
from api.recoveries import current
from api.views import RecoveryView
from core.approvals import SECOND_APPROVER, ApprovalStatus, describe_approval_request, needs_second_approver
from core.contracts import Action, Command, RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable, NotFound, RecoveryError, RunClosed, TooManyRequests
from core.ids import recovery_id
from core.retry.reactions import check_command
from core.retry.recovery import Recovery
from db.repositories import approvals, operator_actions, operators
from db.repositories.approvals import ApprovalJudgement
from db.repositories.operator_actions import AuditAction, AuditEntry
from intake.known import RecoveryStore

PATIENCE: Final = timedelta(seconds=5)
"""How long a worker may take to answer before the wish is left as a signal."""
LEAVE_SIGNAL_WITHIN: Final = timedelta(seconds=5)
HOUR: Final = timedelta(hours=1)


class Acted(NamedTuple):
    """The recovery as it is after the wish."""

    recovery: RecoveryView
    heeded: bool
    """False: no worker answered in time, and the wish is stored as a signal."""


async def act(
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
) -> Acted:
    """Put the wish to the recovery. `request_id` is from `request_name`; the same one acts once.

    Raises TooMany, NotFound, EngineUnavailable, StoreUnavailable, InvalidPolicy, and Refused: with the code
    `second_approver` where another operator has to ask for the same, otherwise with what the recovery says.
    """
    wish = Command(
        action=action, actor=actor, reason=reason, decision=decision, request_id=request_id or uuid.uuid4().hex
    )
    if capped and action is Action.RETRY:
        await _within_cap(parts, actor)
    judgement = await _approved(parts, provider, invoice_id, wish)
    try:
        heeded = await _carried_out(parts, provider, invoice_id, wish, judgement)
    except CommandRefused as refusal:
        if judgement or refusal.code != SECOND_APPROVER:
            raise
        # The worker's policy asks for two people where ours doesn't.
        again = _anew(wish)
        judgement = await _granted(parts, recovery_id(provider, invoice_id), again)
        heeded = await _carried_out(parts, provider, invoice_id, again, judgement)
    return Acted(await current(parts, provider, invoice_id), heeded)


def _anew(wish: Command) -> Command:
    """The same wish as another request: Temporal answers an update that it knows as it did before."""
    return wish.model_copy(update={"request_id": request_name(wish.actor, f"{wish.request_id} approved")})


async def _carried_out(
    parts: Parts, provider: str, invoice_id: str, wish: Command, judgement: ApprovalJudgement | None
) -> bool:
    """Whether the wish had its effect, with the first person's name in it; without effect, theirs waits again."""
    if judgement:
        approval = judgement.approval
        wish = wish.model_copy(update={"asked_by": approval.asked_by, "asked_reason": approval.reason})
    try:
        return await _heeded(parts, provider, invoice_id, wish)
    except RecoveryError:
        await _released(parts, judgement)
        raise


def request_name(actor: str, given: str | None) -> str:
    """A name for the wish, so that an update and the signal left after it act once; callers can't meet each other's."""
    if given is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{actor}\n{given}".encode(errors="replace")).hexdigest()


async def _within_cap(parts: Parts, actor: str) -> None:
    """Counted in the log, so that the cap holds over all API processes. Raises TooMany."""
    most, now = parts.policy().operators.retries_per_hour, parts.clock()
    async with parts.database.begin() as session:
        asked_for = await operators.count_retry_requests(session, actor, now - HOUR)
    if asked_for.count >= most and asked_for.first_at:
        told = f"{actor} asked for {asked_for.count} retries within an hour; {most} are allowed."
        raise TooManyRequests(told, asked_for.first_at + HOUR - now)


async def _approved(parts: Parts, provider: str, invoice_id: str, wish: Command) -> ApprovalJudgement | None:
    """The first person's wish, where this takes two and the second asks; None where one is enough.

    Raises Refused for the first of them.
    """
    if wish.action not in {Action.RETRY, Action.REVIEW}:
        return None
    rules, known = parts.policy().operators, await current(parts, provider, invoice_id)
    if not needs_second_approver(rules, wish.action, wish.decision, known.amount, known.currency):
        return None
    return await _granted(parts, known.recovery_id, wish)


async def _granted(parts: Parts, name: str, wish: Command) -> ApprovalJudgement:
    """The first person's wish, which this one is the second to ask for. Raises Refused for the first of them."""
    judgement = await _judged(parts, name, wish)
    if judgement.verdict is ApprovalStatus.GRANTED:
        return judgement
    raise CommandRefused(SECOND_APPROVER, describe_approval_request(judgement.approval))


async def _judged(parts: Parts, name: str, wish: Command) -> ApprovalJudgement:
    stored, now = await RecoveryStore(parts.database).load_recovery(name), parts.clock()
    async with parts.database.begin() as session:
        judgement = await approvals.judge_command(session, name, wish, now)
        if stored and judgement.verdict is not ApprovalStatus.GRANTED:
            # What the recovery would refuse anyway needs nobody to wait for: nothing is kept then.
            check_command(stored, wish)
        if judgement.verdict is ApprovalStatus.REQUESTED:
            detail = {"action": wish.action.value, "decision": wish.decision, "reason": wish.reason}
            done = AuditEntry(actor=wish.actor, action=AuditAction.SECOND_ASKED, subject=name, detail=detail)
            await operator_actions.record_entry(session, done, now)
    return judgement


async def _released(parts: Parts, judgement: ApprovalJudgement | None) -> None:
    """What had no effect, or none that is known, may be asked for by the second person again."""
    if judgement and not judgement.was_granted_before:
        async with parts.database.begin() as session:
            await approvals.release_approval(session, judgement.approval.id)


async def _heeded(parts: Parts, provider: str, invoice_id: str, wish: Command) -> bool:
    """Whether the wish had its effect; False where it is only stored. Raises Refused, NotFound.

    A retry has its effect when the attempt has begun, which the log shows before the workflow can say so.
    """
    asking = parts.background.start(_ask(parts, provider, invoice_id, wish))
    if wish.action is Action.RETRY:
        begun = parts.background.start(begins(parts.database, recovery_id(provider, invoice_id)))
        await asyncio.wait({asking, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if not asking.done():
            return True
    return await asking is not None


async def _ask(parts: Parts, provider: str, invoice_id: str, wish: Command) -> RecoveryStatus | None:
    """Ask the recovery; where its run was lost, give it a new one and ask that. Raises Refused, NotFound."""
    try:
        async with asyncio.timeout((PATIENCE + LEAVE_SIGNAL_WITHIN).total_seconds()):
            return await _asked(parts, provider, invoice_id, wish)
    except TimeoutError:
        raise EngineUnavailable("Temporal does not answer in time; whether it took the request is not known.") from None


async def _asked(parts: Parts, provider: str, invoice_id: str, wish: Command) -> RecoveryStatus | None:
    name = recovery_id(provider, invoice_id)
    try:
        return await parts.recoveries.submit_command(name, wish, PATIENCE)
    except CommandRefused as refusal:
        # The log knows of an end a moment before the workflow does.
        if refusal.code == "in_flight":
            _refuse_ended(await RecoveryStore(parts.database).load_recovery(name))
        raise
    except NotFound:
        await _revive(parts, provider, invoice_id)
    try:
        return await parts.recoveries.submit_command(name, wish, PATIENCE)
    except NotFound:
        raise CommandRefused("closed", "This recovery has ended.") from None


async def _revive(parts: Parts, provider: str, invoice_id: str) -> None:
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
