"""Numbers of messages sent by day (UTC), kept by triggers on `message`.

A trigger adds a row to `message_figure` for each change, in the same transaction; `merge_days` makes one row of those
of a day. Rows are only added up, so that the answer is exact at every moment.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from db.queries.figure_periods import split_period
from db.session import Session

COUNT_SENT: Final = text("""
    SELECT coalesce(sum(sent), 0)::bigint FROM (
        SELECT sent FROM message_figure WHERE day >= :first AND day < :last
        UNION ALL
        SELECT edge.weight * part.sent
        FROM unnest(CAST(:weights AS int[]), CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
             AS edge (weight, since, until)
        CROSS JOIN LATERAL (
            SELECT count(*) AS sent FROM message
            WHERE state = 'sent' AND ended_at >= edge.since AND ended_at < edge.until OFFSET 0
        ) AS part
    ) AS known
""")
MERGE_DAYS: Final = text("""
    WITH several AS (SELECT day FROM message_figure GROUP BY day HAVING count(*) > 1 OR sum(sent) = 0),
         taken AS (DELETE FROM message_figure AS known USING several WHERE known.day = several.day RETURNING known.*)
    INSERT INTO message_figure (day, sent) SELECT day, sum(sent) FROM taken GROUP BY day HAVING sum(sent) <> 0
""")


async def count_messages_sent(session: Session, since: datetime, until: datetime) -> int:
    """Number of messages sent to customers in [since, until)."""
    period = split_period(since.astimezone(UTC), until.astimezone(UTC), daily=True)
    asked = {
        "first": period.first,
        "last": period.last,
        "weights": [one.weight for one in period.edges],
        "begins": [one.since for one in period.edges],
        "ends": [one.until for one in period.edges],
    }
    return int((await session.execute(COUNT_SENT, asked)).scalar_one())


async def merge_days(session: Session) -> None:
    """Makes one row of those of a day. The caller holds the lock of `figure_refresh.refresh_figures`."""
    await session.execute(MERGE_DAYS)
