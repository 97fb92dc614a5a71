"""Who did what outside of recoveries: signed in, made a key, tried a policy. Rows are never changed or removed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Text, cast, func, insert, select

from core.base import Value
from db.cursors import behind_cursor, encode_cursor
from db.models import operator_action as table
from db.session import Session


class AuditAction(StrEnum):
    """What was done."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    SIMULATION_STARTED = "simulation_started"
    SIMULATION_CANCELED = "simulation_canceled"
    POLICY_UPLOADED = "policy_uploaded"
    WEBHOOK_REPLAYED = "webhook_replayed"
    CHAIN_VERIFIED = "chain_verified"
    EXPORTED = "exported"
    SECOND_ASKED = "second_approver_asked"
    """Somebody asked for what takes two people; what is carried out is in the event log."""
    CUSTOMER_ERASED = "customer_erased"


class AuditEntry(Value):
    """Something that somebody did. Hashes are keyed: they count, and name nobody."""

    actor: str
    role: str | None = None
    action: AuditAction
    subject: str | None = None
    detail: Mapping[str, Any] = {}
    name_hash: bytes | None = None
    address_hash: bytes | None = None


class StoredAuditEntry(Value):
    """A row as it is shown. `action` is text: an older release may read what a newer one wrote."""

    id: UUID
    at: datetime
    actor: str
    role: str | None
    action: str
    subject: str | None
    detail: Mapping[str, Any]


class AuditPage(Value):
    """Some of them, newest first, and how to ask for the ones behind (None: there are none)."""

    items: tuple[StoredAuditEntry, ...]
    next_cursor: str | None


class FailedLogins(Value):
    """How many, and when the first of them was; None: there was none."""

    count: int
    first_at: datetime | None


NAME: Final = cast(table.c.id, Text)
SHOWN: Final = [table.c[name] for name in StoredAuditEntry.model_fields]


async def record_entry(session: Session, done: AuditEntry, now: datetime) -> None:
    """One more row."""
    row = done.model_dump() | {"id": uuid4(), "at": now, "action": done.action.value, "detail": dict(done.detail)}
    await session.execute(insert(table).values(row))


async def load_entries(
    session: Session, limit: int = 50, after: str | None = None, actor: str | None = None, action: str | None = None
) -> AuditPage:
    """Newest first, narrowed to an actor, an action or both. Raises InvalidInput for a cursor that isn't ours."""
    query = select(*SHOWN).order_by(table.c.at.desc(), NAME.desc()).limit(limit + 1)
    if actor:
        query = query.where(table.c.actor == actor)
    if action:
        query = query.where(table.c.action == action)
    if after:
        query = query.where(behind_cursor(after, table.c.at, NAME))
    rows = [StoredAuditEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return AuditPage(items=tuple(rows[:limit]), next_cursor=encode_cursor(last.at, str(last.id)) if last else None)


async def count_failed_logins(
    session: Session, since: datetime, name_hash: bytes | None = None, address_hash: bytes | None = None
) -> FailedLogins:
    """Failed logins with this name, or from this address, since a moment; one of the two is given."""
    whose = table.c.name_hash == name_hash if name_hash is not None else table.c.address_hash == address_hash
    mine = (table.c.action == AuditAction.LOGIN_FAILED.value, table.c.at > since, whose)
    query = select(func.count().label("count"), func.min(table.c.at).label("first_at")).where(*mine)
    return FailedLogins.model_validate(dict((await session.execute(query)).mappings().one()))


async def try_locks(session: Session, *marks: bytes) -> bool:
    """Whether nobody else holds one of these until the end of their transaction; waits for nobody."""
    for mark in marks:
        key = int.from_bytes(mark[:8], "big", signed=True)
        if not (await session.execute(select(func.pg_try_advisory_xact_lock(key)))).scalar_one():
            return False
    return True
