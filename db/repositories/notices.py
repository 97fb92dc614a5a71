"""Notices for operators and other systems: stored in the transaction of the log, sent by a scheduled workflow."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.notices import Audience, Notice
from db import chain
from db.models import notice as table
from db.session import Session

KEPT_FOR: Final = timedelta(days=30)


async def add_notices(session: Session, notices: Iterable[Notice]) -> None:
    """Stores notices to be sent. A notice whose id is stored already is left as it is, so repeating a write is safe."""
    rows = [{**one.model_dump(mode="json"), "id": one.id, "occurred_at": one.occurred_at} for one in notices]
    for row in rows:
        row["data"] = chain.to_json_value(row["data"])
    if rows:
        await session.execute(insert(table).values(rows).on_conflict_do_nothing())


async def waiting_notices(session: Session, audience: Audience, limit: int) -> list[Notice]:
    """Up to `limit` notices that were not handled yet, oldest first.

    The rows are not locked: the schedule runs one pass at a time.
    """
    mine = (table.c.audience == audience.value, table.c.handed_at.is_(None))
    query = select(table).where(*mine).order_by(table.c.occurred_at).limit(limit)
    return [Notice.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


async def load_notice(session: Session, notice_id: UUID) -> Notice | None:
    """One notice; None if it never existed or was deleted after 30 days."""
    found = (await session.execute(select(table).where(table.c.id == notice_id))).mappings().first()
    return Notice.model_validate(dict(found)) if found else None


async def last_sent(session: Session, audience: Audience) -> dict[str, datetime]:
    """When a notice of each topic was last sent to this audience, by topic."""
    told = (table.c.audience == audience.value, table.c.outcome == "told")
    query = select(table.c.topic, func.max(table.c.handed_at).label("at")).where(*told).group_by(table.c.topic)
    return {row["topic"]: row["at"] for row in (await session.execute(query)).mappings()}


async def mark_handled(session: Session, ids: Sequence[UUID], now: datetime, outcome: str) -> None:
    """Marks notices as handled, with the outcome `told` (sent), `begun` (workflow started) or `let_go` (not sent)."""
    if ids:
        done = update(table).where(table.c.id.in_(ids)).values(handed_at=now, outcome=outcome)
        await session.execute(done)


async def delete_old(session: Session, now: datetime) -> None:
    """Deletes notices older than 30 days, sent or not; the log still holds what they reported."""
    await session.execute(delete(table).where(table.c.occurred_at < now - KEPT_FOR))
