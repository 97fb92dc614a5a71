"""The log of one recovery, for people and programs that read it."""

from typing import Any, Final

from sqlalchemy import select

from db.models import event_log as table
from db.models import recovery
from db.repositories import event_log
from db.repositories.transitions import Row
from db.session import Session

BY_DAY: Final = select(*table.columns).order_by(table.c.sequence)


async def load_rows(session: Session, recovery_id: str) -> list[dict[str, Any]]:
    """All rows of a recovery in order, by column name, with both hashes in hex; empty if there are none."""
    # Where the read model doesn't know the recovery, or not rightly, the log itself is asked for its day.
    found = await _read_known_day(session, recovery_id) or await event_log.read_rows(session, recovery_id)
    return [dict(row) | {"previous_hash": row["previous_hash"].hex(), "hash": row["hash"].hex()} for row in found]


async def _read_known_day(session: Session, recovery_id: str) -> list[Row]:
    """The rows by the opening day in the read model; none where it has no such recovery."""
    # Two statements: with the day as a value PostgreSQL plans for one partition. Planning for all of them takes longer
    # than everything else, and more with each month.
    day = await session.scalar(select(recovery.c.opened_on).where(recovery.c.recovery_id == recovery_id))
    if day is None:
        return []
    mine = (table.c.opened_on == day, table.c.recovery_id == recovery_id)
    return [*(await session.execute(BY_DAY.where(*mine))).mappings()]
