"""The review queue: recoveries in review, the earliest deadline first, with the fraud assessment and the decision."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, RowMapping, func, literal_column, text

from core.base import Value
from core.events import EventType, State, read_data
from core.events.data import EventData
from db import cursors
from db.models import recovery as table
from db.repositories.recoveries import fetch_rows, select_recoveries
from db.session import Session

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
# Spelled exactly as in the index recovery_reviews: PostgreSQL uses an expression index for the same expression only.
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
    """One page of the queue. `next_cursor` is None on the last page.

    An item is a recovery as the API shows it, with `assessment` and `decision`: typed data of its newest
    `fraud.assessed` and `retry.skipped` row, or None.
    """

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


async def load_review_queue(session: Session, limit: int = 50, cursor: str | None = None) -> ReviewPage:
    """One page of the queue. At `until` a recovery is blocked if nobody has decided.

    Raises InvalidInput for a cursor that this function did not return.
    """
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
    """Number of recoveries in review."""
    return await session.scalar(func.count().select().where(table.c.state == State.IN_REVIEW.value)) or 0


async def _add_reasons(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = {"names": [row["recovery_id"] for row in rows], "days": [row["opened_on"] for row in rows]}
    why = {row["recovery_id"]: row for row in (await session.execute(REASONS_QUERY, asked)).mappings()}
    return [row | _read_reasons(why[row["recovery_id"]]) for row in rows]


def _read_reasons(stored: RowMapping) -> dict[str, EventData | None]:
    kinds = {"assessment": EventType.FRAUD_ASSESSED, "decision": EventType.RETRY_SKIPPED}
    return {name: read_data(kind, stored[name]) if stored[name] else None for name, kind in kinds.items()}
