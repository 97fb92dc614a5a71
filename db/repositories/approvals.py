"""Operator commands that wait for a second person. Concurrent ones for the same recovery run one after another."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, select, text, update

from core.base import Value
from core.operators import APPROVAL_LIFETIME, Action, ApprovalRequest, ApprovalStatus, Command, approval_status
from db.access_models import approval as table
from db.session import Session

GRANTED: Final = "granted"
EXPIRED: Final = "expired"
_TURN: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('approval ' || :name, 0))")


class Approval(ApprovalRequest):
    """A stored request for approval, with its outcome: `granted`, `expired`, or None while it waits."""

    id: UUID
    recovery_id: str
    action: str
    decision: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    outcome: str | None = None


class ApprovalJudgement(Value):
    """The status of an operator command that takes two people, and its row."""

    verdict: ApprovalStatus
    approval: Approval
    was_granted_before: bool = False
    """Whether it was granted before, to the same request."""


SHOWN: Final = [table.c[name] for name in Approval.model_fields]


async def judge_command(
    session: Session, recovery_id: str, command: Command, now: datetime, *, may_be_second: bool = True
) -> ApprovalJudgement:
    """Stores the command as the first person's request, leaves that request waiting, or grants it to the second person.

    A command that was granted before and is sent again under the same request id stays granted. Without
    `may_be_second` (the bootstrap key) somebody else's request is left waiting.
    """
    # The lock comes first: two people who submit at the same moment become first and second, never two firsts.
    await session.execute(_TURN, {"name": recovery_id})
    if again := await _find_granted(session, recovery_id, command):
        return ApprovalJudgement(verdict=ApprovalStatus.GRANTED, approval=again, was_granted_before=True)
    found = await _find_open(session, recovery_id, command)
    match verdict := approval_status(found, command.actor, now, may_be_second=may_be_second):
        case ApprovalStatus.GRANTED if found:
            return ApprovalJudgement(verdict=verdict, approval=await _grant_request(session, found, command, now))
        case ApprovalStatus.PENDING if found:
            return ApprovalJudgement(verdict=verdict, approval=found)
        case _:
            return ApprovalJudgement(
                verdict=ApprovalStatus.REQUESTED,
                approval=await _insert_request(session, recovery_id, command, found, now),
            )


async def is_granted(
    session: Session, recovery_id: str, action: Action, decision: str | None, request_id: str | None
) -> bool:
    """Whether two people, both known to the API, submitted this command under this request id."""
    command = Command(action=action, decision=decision, request_id=request_id)
    return await _find_granted(session, recovery_id, command) is not None


async def release_approval(session: Session, id: UUID) -> None:
    """Makes a granted request wait again, until its original expiry, because the granted command had no effect."""
    # Somebody may have submitted the same command meanwhile: then that request waits, and this one stays ended.
    again = table.alias()
    other = select(again.c.id).where(
        again.c.ended_at.is_(None), again.c.recovery_id == table.c.recovery_id,
        again.c.action == table.c.action, again.c.decision.is_not_distinct_from(table.c.decision),
    )  # fmt: skip
    mine = (table.c.id == id, table.c.outcome == GRANTED, ~other.exists())
    opened: dict[str, Any] = {"ended_at": None, "ended_by": None, "outcome": None, "request_id": None}
    await session.execute(update(table).where(*mine).values(opened))


async def waiting_approvals(session: Session, recovery_id: str, now: datetime) -> list[Approval]:
    """The commands of a recovery that wait for a second person and have not expired, oldest first."""
    query = select(*SHOWN).where(table.c.recovery_id == recovery_id, *_is_waiting(now)).order_by(table.c.asked_at)
    return [Approval.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


async def all_waiting_approvals(session: Session, now: datetime, limit: int = 200) -> list[Approval]:
    """The commands of all recoveries that wait for a second person and have not expired, oldest first."""
    query = select(*SHOWN).where(*_is_waiting(now)).order_by(table.c.asked_at).limit(limit)
    return [Approval.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


def _is_waiting(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.c.ended_at.is_(None), table.c.expires_at > now


async def _find_open(session: Session, recovery_id: str, command: Command) -> Approval | None:
    same = (
        table.c.recovery_id == recovery_id,
        table.c.action == command.action.value,
        func.coalesce(table.c.decision, "") == (command.decision or ""),
        table.c.ended_at.is_(None),
    )
    found = (await session.execute(select(*SHOWN).where(*same))).mappings().one_or_none()
    return Approval.model_validate(dict(found)) if found else None


async def _find_granted(session: Session, recovery_id: str, command: Command) -> Approval | None:
    if command.request_id is None:
        return None
    same = (
        table.c.recovery_id == recovery_id,
        table.c.request_id == command.request_id,
        table.c.action == command.action.value,
        table.c.decision.is_not_distinct_from(command.decision),
    )
    found = (await session.execute(select(*SHOWN).where(*same).limit(1))).mappings().one_or_none()
    return Approval.model_validate(dict(found)) if found else None


async def _insert_request(
    session: Session, recovery_id: str, command: Command, stale: Approval | None, now: datetime
) -> Approval:
    # The index allows one open request per command: an expired one is ended before the new one is inserted.
    if stale:
        await session.execute(update(table).where(table.c.id == stale.id).values(ended_at=now, outcome=EXPIRED))
    asked = Approval(
        id=uuid4(),
        recovery_id=recovery_id,
        action=command.action.value,
        decision=command.decision,
        reason=command.reason,
        asked_by=command.actor,
        asked_at=now,
        expires_at=now + APPROVAL_LIFETIME,
    )
    await session.execute(insert(table).values(asked.model_dump()))
    return asked


async def _grant_request(session: Session, asked: Approval, command: Command, now: datetime) -> Approval:
    ended = {"ended_at": now, "ended_by": command.actor, "outcome": GRANTED}
    await session.execute(
        update(table).where(table.c.id == asked.id).values(ended | {"request_id": command.request_id})
    )
    return asked.model_copy(update=ended)
