"""Keys of the HTTP API. A key is shown once; the database holds only its hash, which can't be used to log in."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.base import Value
from db.access_models import api_key as table
from db.session import Session

TOUCH_EVERY: Final = timedelta(minutes=1)
"""Accuracy of `last_used_at`: a write per request would cost more than the request."""


class ApiKey(Value):
    """An API key without its secret. `prefix` is shown to people and names the key in commands."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


SHOWN: Final = [table.c[name] for name in ApiKey.model_fields]


async def insert_key(
    session: Session, name: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Creates a key. Returns its row and the secret text that clients send, which can't be read again."""
    prefix = f"pri_{secrets.token_hex(4)}"
    plain = f"{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey(id=uuid4(), name=name, prefix=prefix, scopes=tuple(scopes), created_at=now, expires_at=expires_at)
    row: dict[str, Any] = key.model_dump() | {"scopes": list(scopes), "hash": hash_key(plain)}
    await session.execute(insert(table).values(row))
    return key, plain


def hash_key(plain: str) -> bytes:
    """The stored hash of a key: SHA-256, 32 bytes."""
    # 256 random bits can't be guessed: they need neither a salt nor a slow hash, which would delay every request.
    return hashlib.sha256(plain.encode(errors="replace")).digest()


async def find_key(session: Session, plain: str, now: datetime) -> ApiKey | None:
    """The key with this secret text; None if it is unknown, revoked or expired."""
    usable = (
        table.c.hash == hash_key(plain),
        table.c.revoked_at.is_(None),
        or_(table.c.expires_at.is_(None), table.c.expires_at > now),
    )
    found = (await session.execute(select(*SHOWN).where(*usable))).mappings().one_or_none()
    return ApiKey.model_validate(dict(found)) if found else None


async def mark_key_used(session: Session, key: ApiKey, now: datetime) -> None:
    """Updates `last_used_at`, at most once a minute."""
    if key.last_used_at and key.last_used_at >= now - TOUCH_EVERY:
        return
    stale = or_(table.c.last_used_at.is_(None), table.c.last_used_at < now - TOUCH_EVERY)
    await session.execute(update(table).where(table.c.id == key.id, stale).values(last_used_at=now))


async def mark_key_revoked(session: Session, prefix: str, now: datetime) -> bool:
    """Revokes the key with this prefix. False if there is none or it was revoked before."""
    mine = (table.c.prefix == prefix, table.c.revoked_at.is_(None))
    revoked = await session.execute(update(table).where(*mine).values(revoked_at=now).returning(table.c.id))
    return revoked.first() is not None


async def load_keys(session: Session) -> list[ApiKey]:
    """All keys, newest first."""
    found = await session.execute(select(*SHOWN).order_by(table.c.created_at.desc()))
    return [ApiKey.model_validate(dict(row)) for row in found.mappings()]
