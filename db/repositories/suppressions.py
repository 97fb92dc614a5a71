"""Customers who unsubscribed, and the stored key that signs unsubscribe links where the settings name none."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core.messages.recipients import Subscription
from db.models import signing_key
from db.models import suppression as table
from db.session import Session


async def add_suppression(session: Session, subscription: Subscription, source: str, now: datetime) -> bool:
    """Stops such messages to this customer. Returns False if they were stopped before; the first time is kept."""
    row = subscription.model_dump(mode="json") | {"source": source, "created_at": now}
    done = await session.execute(insert(table).values(row).on_conflict_do_nothing())
    return bool(done.rowcount)


async def is_suppressed(session: Session, subscription: Subscription) -> bool:
    """Whether the customer unsubscribed from such messages."""
    mine = [table.c[name] == value for name, value in subscription.model_dump(mode="json").items()]
    return (await session.execute(select(table.c.created_at).where(*mine))).first() is not None


async def signing_keys(session: Session) -> tuple[bytes, ...]:
    """The stored keys for unsubscribe links, newest first: sign with the first, accept all."""
    found = await session.execute(select(signing_key.c.secret).order_by(signing_key.c.created_at.desc()))
    return tuple(bytes(secret) for secret in found.scalars())
