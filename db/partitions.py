"""Partitions of the event log, made before they are needed."""

from datetime import date
from typing import Final

from sqlalchemy import text

from db.session import Session

MONTHS_AHEAD: Final = 12


async def ensure_partitions(session: Session, today: date, months_ahead: int = MONTHS_AHEAD) -> int:
    """The partitions from this month to that many months ahead exist; returns how many were missing."""
    made = 0
    for months in range(months_ahead + 1):
        made += await ensure_month_partition(session, _month_after(today, months))
    return made


async def ensure_month_partition(session: Session, day: date) -> bool:
    """The partition of the day's month exists; True when it was missing."""
    made = await session.execute(text("SELECT ensure_event_log_partition(:day)"), {"day": day})
    return bool(made.scalar_one())


def _month_after(day: date, months: int) -> date:
    """The first day of the month that many months after the day's."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)
