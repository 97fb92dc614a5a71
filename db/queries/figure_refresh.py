"""Adds the noted changes of recoveries to the sums of their days and months (`db.queries.figures`)."""

from typing import Final

from sqlalchemy import text

from db.queries.figures import IS_ZERO, KEPT_DIMENSIONS, MOMENTS, SUMMED_COLUMNS, TOTALS, sums_sql
from db.queries.message_figures import merge_days
from db.session import Session

BATCH: Final = 50_000
"""Changes that one `refresh_figures` adds at most."""
# Plans are kept, and one made while the table of sums was small would read all of it for each change.
REFRESH_SETTINGS: Final = text(
    "SELECT set_config('statement_timeout', '30s', true), set_config('enable_seqscan', 'off', true)"
)
REFRESH_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('recovery figures', 2))")
_KEYS: Final = "span, basis, day, currency, dimension, name, part"
_SAME_KEYS: Final = " AND ".join(
    f"known.{one} {'IS NOT DISTINCT FROM' if one in ('name', 'part') else '='} changed.{one}"
    for one in _KEYS.split(", ")
)
_TAKEN_SUMS: Final = " UNION ALL ".join(
    sums_sql(basis, kept, f"SELECT * FROM taken WHERE {MOMENTS[basis]} IS NOT NULL")
    for basis, kept in KEPT_DIMENSIONS.items()
)
ADD_CHANGES: Final = text(f"""
    WITH taken AS (
        DELETE FROM recovery_change WHERE ctid = ANY(ARRAY(SELECT ctid FROM recovery_change LIMIT :most)) RETURNING *
    ), added AS ({_TAKEN_SUMS}), changed AS (
        SELECT {_KEYS}, {TOTALS}
        FROM (SELECT 'day' AS span, * FROM added
              UNION ALL SELECT 'month', basis, date_trunc('month', day)::date, currency, dimension, name, part,
                               {", ".join(SUMMED_COLUMNS)} FROM added) AS spread
        GROUP BY {_KEYS} HAVING NOT ({IS_ZERO})
    ), replaced AS (
        DELETE FROM recovery_figure WHERE ctid = ANY(ARRAY(
            SELECT one.id FROM changed CROSS JOIN LATERAL (
                SELECT ctid AS id FROM recovery_figure AS known WHERE {_SAME_KEYS} OFFSET 0
            ) AS one
        )) RETURNING *
    ), stored AS (
        INSERT INTO recovery_figure ({_KEYS}, {", ".join(SUMMED_COLUMNS)})
        SELECT {_KEYS}, {TOTALS}
        FROM (SELECT {_KEYS}, {", ".join(SUMMED_COLUMNS)} FROM changed
              UNION ALL SELECT {_KEYS}, {", ".join(SUMMED_COLUMNS)} FROM replaced) AS every
        GROUP BY {_KEYS} HAVING NOT ({IS_ZERO})
    )
    SELECT count(*) FROM taken
""")
"""Moves changes to the sums of their days and months; sums that become zero are dropped."""


async def refresh_figures(session: Session, most: int = BATCH) -> int:
    """Adds up to `most` noted changes to the sums and returns how many; 0 while another process does it.

    Must run at READ COMMITTED, the default: the statement that moves the changes has to see the sums of the one that
    held the lock before.
    """
    if not (await session.execute(REFRESH_LOCK)).scalar_one():
        return 0
    await session.execute(REFRESH_SETTINGS)
    await merge_days(session)
    return int((await session.execute(ADD_CHANGES, {"most": most})).scalar_one())
