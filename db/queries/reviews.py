"""The fraud queue: recoveries in review, the oldest deadline first, with what was found."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, func, literal_column, text

from core.base import Value
from core.events import State
from db import cursors
from db.models import recovery as table
from db.repositories.recoveries import fetch_rows, select_recoveries
from db.session import Session

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
# Spelled as in the index.
_DEADLINE: Final = func.coalesce(
    table.c["until"], literal_column("'9999-12-31 00:00:00+00'::timestamptz", DateTime(timezone=True))
)
REASONS_QUERY: Final = text("""
    SELECT asked.recovery_id, assessed.data AS assessment, skipped.data AS decision
    FROM unnest(CAST(:names AS text[]), CAST(:days AS date[])) AS asked (recovery_id, opened_on)
    LEFT JOIN LATERAL (
        SELECT data FROM event_log WHERE opened_on = asked.opened_on AND recovery_id = asked.recovery_id
          AND type = 'fraud.assessed' ORDER BY sequence DESC LIMIT 1
    ) AS assessed ON true
    LEFT JOIN LATERAL (
        SELECT data FROM event_log WHERE opened_on = asked.opened_on AND recovery_id = asked.recovery_id
          AND type = 'retry.skipped' ORDER BY sequence DESC LIMIT 1
    ) AS skipped ON true
""")


class ReviewPage(Value):
    """Some of the queue: recoveries, with `assessment` and `decision`, the data of their newest such rows or None."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


async def load_review_queue(session: Session, limit: int = 50, cursor: str | None = None) -> ReviewPage:
    """One page. `until` is when a recovery is blocked if nobody decides. Raises InvalidInput for a foreign cursor."""
    waiting = table.c.state == State.IN_REVIEW.value
    query = select_recoveries().add_columns(table.c.opened_on).where(waiting).order_by(_DEADLINE, table.c.recovery_id)
    if cursor:
        columns = (_DEADLINE, table.c.recovery_id)
        query = query.where(cursors.beyond_place(cursors.decode_cursor(cursor, *columns), columns, descending=False))
    rows = await fetch_rows(session, query.limit(limit + 1))
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.encode_cursor(last["until"] or NEVER, last["recovery_id"]) if last else None
    return ReviewPage(items=tuple(await _add_reasons(session, rows[:limit])), next_cursor=following)


async def count_reviews(session: Session) -> int:
    """How many there are."""
    return await session.scalar(func.count().select().where(table.c.state == State.IN_REVIEW.value)) or 0


async def _add_reasons(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = {"names": [row["recovery_id"] for row in rows], "days": [row["opened_on"] for row in rows]}
    why = {row["recovery_id"]: row for row in (await session.execute(REASONS_QUERY, asked)).mappings()}
    words = ("assessment", "decision")
    return [row | {word: why[row["recovery_id"]][word] for word in words} for row in rows]
