"""What operators asked for, out of the event log."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal_column, select, text

from core.base import Value
from core.events import EventType
from db import cursors
from db.models import event_log as table
from db.session import Session


class Requests(Value):
    """How often somebody asked for something since a moment, and when first; None: not once."""

    count: int
    first_at: datetime | None


async def retries_asked(session: Session, actor: str, since: datetime) -> Requests:
    """The retries that this actor asked for and got."""
    theirs = (
        table.c.type == EventType.RETRY_REQUESTED.value,
        table.c.recorded_at > since,
        table.c.data["actor"].astext == actor,
        table.c.data["refused"].is_(None),
    )
    query = select(func.count().label("count"), func.min(table.c.recorded_at).label("first_at")).where(*theirs)
    return Requests.model_validate(dict((await session.execute(query)).mappings().one()))


THEIRS: Final = text("type LIKE 'operator.%'")
"""Spelled as in the indexes of such rows, which are few beside the others."""
_actor: Final[ColumnElement[str]] = literal_column("data->>'actor'")
PLACE: Final = (table.c.recorded_at, table.c.recovery_id, table.c.sequence)


class ActionPage(Value):
    """Some rows `operator.*` of all recoveries, newest first, and how to ask for the ones behind them."""

    items: tuple[dict[str, Any], ...]
    """The contract's columns but for the hashes."""
    next_cursor: str | None


async def actions(
    session: Session,
    actor: str | None = None,
    kind: EventType | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> ActionPage:
    """Who did what, written in [since, until). Raises InvalidInput for a cursor that this never gave."""
    columns = [column for column in table.columns if column.name not in {"previous_hash", "hash"}]
    query = select(*columns).where(THEIRS).order_by(*(one.desc() for one in PLACE)).limit(limit + 1)
    if actor is not None:
        query = query.where(_actor == actor)
    if kind is not None:
        query = query.where(table.c.type == kind.value)
    if since is not None:
        query = query.where(table.c.recorded_at >= since)
    if until is not None:
        query = query.where(table.c.recorded_at < until)
    if cursor:
        query = query.where(cursors.behind(cursor, *PLACE))
    rows = [dict(row) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.cursor(*(last[column.name] for column in PLACE)) if last else None
    return ActionPage(items=tuple(rows[:limit]), next_cursor=following)
