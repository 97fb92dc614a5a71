"""Operator commands of all recoveries, read from the event log."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, literal_column, select, text

from core.base import Value
from core.events import EventType
from db import cursors
from db.models import event_log as table
from db.session import Session


class RecordedRetry(Value):
    """One retry that somebody asked for."""

    recovery_id: str
    actor: str | None
    request_id: str | None
    recorded_at: datetime


OPERATOR_ROWS: Final = text("type LIKE 'operator.%'")
"""Spelled exactly as in the partial indexes: PostgreSQL uses them only where it can prove the condition."""
_actor: Final[ColumnElement[str]] = literal_column("data->>'actor'")


async def load_recorded_retries(session: Session, since: datetime) -> list[RecordedRetry]:
    """Everybody's retries recorded after `since`; refused ones are left out."""
    # Of all people, since PostgreSQL folds names by other rules than Python: the caller compares them. It is an hour's.
    data = table.c.data
    query = select(
        table.c.recovery_id,
        data["actor"].astext.label("actor"),
        data["request_id"].astext.label("request_id"),
        table.c.recorded_at,
    ).where(
        OPERATOR_ROWS,
        table.c.type == EventType.RETRY_REQUESTED.value,
        table.c.recorded_at > since,
        data["refused"].is_(None),
    )
    return [RecordedRetry.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


EVENT_ORDER: Final = (table.c.recorded_at, table.c.recovery_id, table.c.sequence)


class OperatorEventPage(Value):
    """One page of `operator.*` rows of all recoveries, newest first. `next_cursor` is None on the last page."""

    items: tuple[dict[str, Any], ...]
    """Columns of `event_log` by name, without the hashes."""
    next_cursor: str | None


async def load_operator_events(
    session: Session,
    actor: str | None = None,
    kind: EventType | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> OperatorEventPage:
    """One page of operator rows recorded in [since, until), filtered by actor and type where given.

    Raises InvalidInput for a cursor that this function did not return.
    """
    columns = [column for column in table.columns if column.name not in {"previous_hash", "hash"}]
    query = select(*columns).where(OPERATOR_ROWS).order_by(*(one.desc() for one in EVENT_ORDER)).limit(limit + 1)
    if actor is not None:
        query = query.where(_actor == actor)
    if kind is not None:
        query = query.where(table.c.type == kind.value)
    if since is not None:
        query = query.where(table.c.recorded_at >= since)
    if until is not None:
        query = query.where(table.c.recorded_at < until)
    if cursor:
        query = query.where(cursors.behind_cursor(cursor, *EVENT_ORDER))
    rows = [dict(row) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.encode_cursor(*(last[column.name] for column in EVENT_ORDER)) if last else None
    return OperatorEventPage(items=tuple(rows[:limit]), next_cursor=following)
