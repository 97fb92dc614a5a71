"""What operators asked for, out of the event log."""

from datetime import datetime

from sqlalchemy import func, select

from core.base import Value
from core.events import EventType
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
