"""Partitions of the event log, one per month of opening: made ahead, or when the first recovery of a month opens."""

from datetime import date
from typing import Final

from sqlalchemy import text

from db.session import Session

MONTHS_AHEAD: Final = 3
"""Enough for a schedule that stood still for weeks. A month without a partition gets one when it first needs it."""
_ENSURE: Final = text("""
    SELECT count(*) FILTER (WHERE ensure_event_log_partition((:day + make_interval(months => month))::date))
    FROM generate_series(0, :months) AS month
""")


async def ensure_month_partition(session: Session, day: date) -> bool:
    """Creates the partition of the day's month if it is missing; returns whether it was created."""
    made = await session.execute(text("SELECT ensure_event_log_partition(:day)"), {"day": day})
    return bool(made.scalar_one())


async def make_partitions_ahead(session: Session, today: date) -> int:
    """Creates what is missing of the partitions of this month and of the next MONTHS_AHEAD; returns how many."""
    made = await session.execute(_ENSURE, {"day": today, "months": MONTHS_AHEAD})
    return int(made.scalar_one())
