"""What operators and other systems are still to hear: written with the log, handed over by a schedule."""

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
    """Keep them to be told. One of the same id is there already when a write is repeated."""
    rows = [{**one.model_dump(mode="json"), "id": one.id, "occurred_at": one.occurred_at} for one in notices]
    for row in rows:
        row["data"] = chain.to_json_value(row["data"])
    if rows:
        await session.execute(insert(table).values(rows).on_conflict_do_nothing())


async def waiting_notices(session: Session, audience: Audience, limit: int) -> list[Notice]:
    """Those not handed over yet, oldest first. One pass at a time: the schedule sees to that."""
    mine = (table.c.audience == audience.value, table.c.handed_at.is_(None))
    query = select(table).where(*mine).order_by(table.c.occurred_at).limit(limit)
    return [Notice.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


async def load_notice(session: Session, notice_id: UUID) -> Notice | None:
    """One of them; None once it is forgotten."""
    found = (await session.execute(select(table).where(table.c.id == notice_id))).mappings().first()
    return Notice.model_validate(dict(found)) if found else None


async def last_sent(session: Session, audience: Audience) -> dict[str, datetime]:
    """When each topic was told of for the last time."""
    told = (table.c.audience == audience.value, table.c.outcome == "told")
    query = select(table.c.topic, func.max(table.c.handed_at).label("at")).where(*told).group_by(table.c.topic)
    return {row["topic"]: row["at"] for row in (await session.execute(query)).mappings()}


async def mark_handled(session: Session, ids: Sequence[UUID], now: datetime, outcome: str) -> None:
    """They are done with: told, started, or let go."""
    if ids:
        done = update(table).where(table.c.id.in_(ids)).values(handed_at=now, outcome=outcome)
        await session.execute(done)


async def delete_old(session: Session, now: datetime) -> None:
    """Drops what is long past, told or not; the log still has it."""
    await session.execute(delete(table).where(table.c.occurred_at < now - KEPT_FOR))
