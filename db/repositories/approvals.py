"""Wishes that wait for a second person. Concurrent ones for the same recovery take turns."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, select, text, update

from core.approvals import HOLDS_FOR, Ask, Verdict, judged
from core.base import Value
from core.contracts import Action, Command
from db.models import approval as table
from db.session import Session

GRANTED: Final = "granted"
EXPIRED: Final = "expired"
_TURN: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('approval ' || :name, 0))")


class Approval(Ask):
    """A row: the wish and what became of it."""

    id: UUID
    recovery_id: str
    action: str
    decision: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    outcome: str | None = None


class Judgement(Value):
    """What becomes of a wish, and the row that says so."""

    verdict: Verdict
    approval: Approval
    again: bool = False
    """Whether it was granted before, to the same request."""


SHOWN: Final = [table.c[name] for name in Approval.model_fields]


async def judge(session: Session, recovery_id: str, wish: Command, now: datetime) -> Judgement:
    """Keep the first person's wish, leave it waiting, or take it up as the second person's.

    A request that was granted before, sent again under its id, stays granted.
    """
    await session.execute(_TURN, {"name": recovery_id})
    if again := await _granted(session, recovery_id, wish):
        return Judgement(verdict=Verdict.GRANTED, approval=again, again=True)
    found = await _open(session, recovery_id, wish)
    match verdict := judged(found, wish.actor, now):
        case Verdict.GRANTED if found:
            return Judgement(verdict=verdict, approval=await _grant(session, found, wish, now))
        case Verdict.WAITS if found:
            return Judgement(verdict=verdict, approval=found)
        case _:
            return Judgement(verdict=Verdict.ASKS, approval=await _ask(session, recovery_id, wish, found, now))


async def is_granted(
    session: Session, recovery_id: str, action: Action, decision: str | None, request_id: str | None
) -> bool:
    """Whether two people, both known to the API, asked for what this request wants."""
    wish = Command(action=action, decision=decision, request_id=request_id)
    return await _granted(session, recovery_id, wish) is not None


async def release(session: Session, id: UUID) -> None:
    """A granted wish that had no effect waits again, as long as it would have."""
    # Somebody may have asked anew meanwhile: then that one waits, and this one stays ended.
    again = table.alias()
    other = select(again.c.id).where(
        again.c.ended_at.is_(None), again.c.recovery_id == table.c.recovery_id,
        again.c.action == table.c.action, again.c.decision.is_not_distinct_from(table.c.decision),
    )  # fmt: skip
    mine = (table.c.id == id, table.c.outcome == GRANTED, ~other.exists())
    opened: dict[str, Any] = {"ended_at": None, "ended_by": None, "outcome": None, "request_id": None}
    await session.execute(update(table).where(*mine).values(opened))


async def waiting(session: Session, recovery_id: str, now: datetime) -> list[Approval]:
    """The wishes of a recovery that wait for a second person, oldest first."""
    query = select(*SHOWN).where(table.c.recovery_id == recovery_id, *_waits(now)).order_by(table.c.asked_at)
    return [Approval.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


async def all_waiting(session: Session, now: datetime, limit: int = 200) -> list[Approval]:
    """Those of all recoveries, oldest first."""
    query = select(*SHOWN).where(*_waits(now)).order_by(table.c.asked_at).limit(limit)
    return [Approval.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


def _waits(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.c.ended_at.is_(None), table.c.expires_at > now


async def _open(session: Session, recovery_id: str, wish: Command) -> Approval | None:
    same = (
        table.c.recovery_id == recovery_id,
        table.c.action == wish.action.value,
        func.coalesce(table.c.decision, "") == (wish.decision or ""),
        table.c.ended_at.is_(None),
    )
    found = (await session.execute(select(*SHOWN).where(*same))).mappings().one_or_none()
    return Approval.model_validate(dict(found)) if found else None


async def _granted(session: Session, recovery_id: str, wish: Command) -> Approval | None:
    if wish.request_id is None:
        return None
    same = (
        table.c.recovery_id == recovery_id,
        table.c.request_id == wish.request_id,
        table.c.action == wish.action.value,
        table.c.decision.is_not_distinct_from(wish.decision),
    )
    found = (await session.execute(select(*SHOWN).where(*same).limit(1))).mappings().one_or_none()
    return Approval.model_validate(dict(found)) if found else None


async def _ask(session: Session, recovery_id: str, wish: Command, stale: Approval | None, now: datetime) -> Approval:
    if stale:
        await session.execute(update(table).where(table.c.id == stale.id).values(ended_at=now, outcome=EXPIRED))
    asked = Approval(
        id=uuid4(), recovery_id=recovery_id, action=wish.action.value, decision=wish.decision, reason=wish.reason,
        asked_by=wish.actor, asked_at=now, expires_at=now + HOLDS_FOR,
    )  # fmt: skip
    await session.execute(insert(table).values(asked.model_dump()))
    return asked


async def _grant(session: Session, asked: Approval, wish: Command, now: datetime) -> Approval:
    ended = {"ended_at": now, "ended_by": wish.actor, "outcome": GRANTED}
    await session.execute(update(table).where(table.c.id == asked.id).values(ended | {"request_id": wish.request_id}))
    return asked.model_copy(update=ended)
