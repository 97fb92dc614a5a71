"""Sessions of the admin console. The browser holds a secret, the database its hash, which opens nothing."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from core.base import Value
from db.access_models import admin_session as table
from db.session import Session

TOUCH_EVERY: Final = timedelta(minutes=1)
"""Accuracy of `last_seen_at`: a write per page would cost more than the page."""
KEPT_FOR: Final = timedelta(days=30)
"""How long the row of an ended session is kept: it names a person, and the audit log has the sign-in for ever."""
MOST_LISTED: Final = 500


class AdminSession(Value):
    """A session without its secret."""

    id: UUID
    name: str
    role: str
    how: str
    """How the person signed in: `password`, or `openid`."""
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it was neither ended nor is too old."""
        return self.ended_at is None and now < self.expires_at


SHOWN: Final = [table.c[name] for name in AdminSession.model_fields]


async def insert_session(
    session: Session, *, name: str, role: str, how: str, now: datetime, expires_at: datetime
) -> str:
    """Stores a new session and returns its secret, which can't be read again. Rows that are too old go."""
    await session.execute(delete(table).where(func.coalesce(table.c.ended_at, table.c.expires_at) < now - KEPT_FOR))
    secret = secrets.token_urlsafe(32)
    made = AdminSession(
        id=uuid4(), name=name, role=role, how=how, created_at=now, last_seen_at=now, expires_at=expires_at
    )
    row: dict[str, Any] = made.model_dump() | {"hash": _hash_secret(secret)}
    await session.execute(insert(table).values(row))
    return secret


async def find_session(session: Session, secret: str) -> AdminSession | None:
    """The session with this secret, open or not; None if there is none."""
    found = (await session.execute(select(*SHOWN).where(table.c.hash == _hash_secret(secret)))).mappings().one_or_none()
    return AdminSession.model_validate(dict(found)) if found else None


async def load_session(session: Session, id: UUID) -> AdminSession | None:
    """The session of this id, open or not; None if there is none."""
    found = (await session.execute(select(*SHOWN).where(table.c.id == id))).mappings().one_or_none()
    return AdminSession.model_validate(dict(found)) if found else None


async def mark_session_seen(session: Session, id: UUID, now: datetime) -> None:
    """Updates `last_seen_at`."""
    await session.execute(update(table).where(table.c.id == id).values(last_seen_at=now))


async def load_open_sessions(session: Session, now: datetime) -> list[AdminSession]:
    """The open sessions, those seen last first; the first 500."""
    query = select(*SHOWN).where(*_open_at(now)).order_by(table.c.last_seen_at.desc(), table.c.id).limit(MOST_LISTED)
    return [AdminSession.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]


async def end_sessions(session: Session, ids: Collection[UUID], by: str, now: datetime) -> list[AdminSession]:
    """Ends those of these sessions that are open, and returns them. `by`: who asked for it."""
    mine = update(table).where(table.c.id.in_(ids), *_open_at(now))
    ended = await session.execute(mine.values(ended_at=now, ended_by=by).returning(*SHOWN))
    return [AdminSession.model_validate(dict(row)) for row in ended.mappings()]


async def change_role(session: Session, name: str, how: str, role: str, now: datetime) -> None:
    """Gives the open sessions of this name, that began in this way, another role."""
    mine = (table.c.name == name, table.c.how == how, *_open_at(now))
    await session.execute(update(table).where(*mine).values(role=role))


def _open_at(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.ended_at.is_(None), table.c.expires_at > now


def _hash_secret(secret: str) -> bytes:
    # 256 random bits can't be guessed: they need neither a salt nor a slow hash, which would delay every page.
    return hashlib.sha256(secret.encode(errors="replace")).digest()
