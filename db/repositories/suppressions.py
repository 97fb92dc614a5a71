"""Who wants no more messages, and the key that signs the links when the settings name none."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core.messages.recipients import Subscription
from db.models import signing_key
from db.models import suppression as table
from db.session import Session


async def add_suppression(session: Session, subscription: Subscription, source: str, now: datetime) -> bool:
    """Send no more of this. Returns whether that is news; the first request keeps its moment."""
    row = subscription.model_dump(mode="json") | {"source": source, "created_at": now}
    done = await session.execute(insert(table).values(row).on_conflict_do_nothing())
    return bool(done.rowcount)


async def is_suppressed(session: Session, subscription: Subscription) -> bool:
    """Whether such messages are not wanted."""
    mine = [table.c[name] == value for name, value in subscription.model_dump(mode="json").items()]
    return (await session.execute(select(table.c.created_at).where(*mine))).first() is not None


async def signing_keys(session: Session) -> tuple[bytes, ...]:
    """Of links to unsubscribe, newest first."""
    found = await session.execute(select(signing_key.c.secret).order_by(signing_key.c.created_at.desc()))
    return tuple(bytes(secret) for secret in found.scalars())
