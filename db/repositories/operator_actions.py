"""The audit log of what people did outside of recoveries: logins, API keys, dry runs. It is append-only.

Operator commands to a recovery are in its event log instead.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Text, cast, func, insert, select, text

from core.base import Value
from core.operators import person_key
from core.redaction.trees import redact_tree
from core.redaction.types import PersonName
from db.access_models import operator_action as table
from db.cursors import behind_cursor, encode_cursor
from db.session import Session


class AuditAction(StrEnum):
    """Kinds of audit entries."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    SESSION_ENDED = "session_ended"
    """A session was ended by somebody; `subject` is whose it was."""
    PAYLOADS_DECODED = "payloads_decoded"
    """Payloads of Temporal were decrypted for somebody; at most one entry a minute."""
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    SIMULATION_STARTED = "simulation_started"
    SIMULATION_CANCELED = "simulation_canceled"
    POLICY_UPLOADED = "policy_uploaded"
    WEBHOOK_REPLAYED = "webhook_replayed"
    CHAIN_VERIFIED = "chain_verified"
    EXPORTED = "exported"
    SECOND_ASKED = "second_approver_asked"
    """A command that takes two people was submitted by the first. Once carried out, it is in the event log too."""
    CUSTOMER_ERASED = "customer_erased"
    RETRY_RESERVED = "retry_reserved"
    """A retry took its place under the hourly cap before it was submitted; `detail` names the request."""
    RETRY_RELEASED = "retry_released"
    """A retry that had no effect gave its place back."""


class AuditEntry(Value):
    """An audit entry to be stored. Hashes of names and addresses are keyed: they can be counted, not reversed."""

    actor: PersonName
    role: str | None = None
    action: AuditAction
    subject: str | None = None
    detail: Mapping[str, Any] = {}
    name_hash: bytes | None = None
    address_hash: bytes | None = None


class StoredAuditEntry(Value):
    """A stored audit entry. `action` is text, since an older release may read what a newer one wrote."""

    id: UUID
    at: datetime
    actor: str
    role: str | None
    action: str
    subject: str | None
    detail: Mapping[str, Any]


class AuditPage(Value):
    """One page of audit entries, newest first. `next_cursor` is None on the last page."""

    items: tuple[StoredAuditEntry, ...]
    next_cursor: str | None


class FailedLogins(Value):
    """Number of failed logins, and the time of the first; None if there was none."""

    count: int
    first_at: datetime | None


RESERVATIONS: Final = (AuditAction.RETRY_RESERVED, AuditAction.RETRY_RELEASED)
"""Kinds that only keep count: what became of the retry is in the event log."""
NAME: Final = cast(table.c.id, Text)
SHOWN: Final = [table.c[name] for name in StoredAuditEntry.model_fields]


async def record_entry(session: Session, done: AuditEntry, now: datetime) -> None:
    """Appends an audit entry with the time `now`; texts in its detail are redacted, since nobody can erase them."""
    row = done.model_dump() | {
        "id": uuid4(),
        "at": now,
        "action": done.action.value,
        "detail": redact_tree(done.detail),
    }
    await session.execute(insert(table).values(row))


async def load_entries(
    session: Session, limit: int = 50, after: str | None = None, actor: str | None = None, action: str | None = None
) -> AuditPage:
    """One page of entries, newest first, filtered by actor and action where given; reservations only if asked for.

    Raises InvalidInput for a cursor that this function did not return.
    """
    query = select(*SHOWN).order_by(table.c.at.desc(), NAME.desc()).limit(limit + 1)
    if actor:
        query = query.where(table.c.actor == actor)
    query = query.where(table.c.action == action if action else table.c.action.not_in(RESERVATIONS))
    if after:
        query = query.where(behind_cursor(after, table.c.at, NAME))
    rows = [StoredAuditEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return AuditPage(items=tuple(rows[:limit]), next_cursor=encode_cursor(last.at, str(last.id)) if last else None)


async def has_entry(session: Session, actor: str, action: AuditAction, since: datetime) -> bool:
    """Whether this actor has an entry of this kind after `since`."""
    mine = (table.c.actor == actor, table.c.action == action.value, table.c.at > since)
    return (await session.execute(select(table.c.id).where(*mine).limit(1))).first() is not None


async def count_failed_logins(
    session: Session, since: datetime, name_hash: bytes | None = None, address_hash: bytes | None = None
) -> FailedLogins:
    """Failed logins after `since` with this name or, where no name is given, from this address."""
    whose = table.c.name_hash == name_hash if name_hash is not None else table.c.address_hash == address_hash
    mine = (table.c.action == AuditAction.LOGIN_FAILED.value, table.c.at > since, whose)
    query = select(func.count().label("count"), func.min(table.c.at).label("first_at")).where(*mine)
    return FailedLogins.model_validate(dict((await session.execute(query)).mappings().one()))


class HeldRetry(Value):
    """A retry's place under the hourly cap that was not given back; `token` names it."""

    token: str
    actor: str
    recovery_id: str
    request_id: str
    at: datetime


async def lock_retries(session: Session, actor: str) -> None:
    """Waits until no other transaction counts or reserves this person's retries; held until this one ends."""
    await session.execute(_RETRIES_LOCK, {"person": person_key(actor)})


_RETRIES_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('retries of ' || :person, 0))")


async def load_held_retries(session: Session, since: datetime) -> list[HeldRetry]:
    """Everybody's places that were taken after `since` and not given back."""
    query = select(*SHOWN).where(table.c.action.in_(RESERVATIONS), table.c.at > since)
    rows = [StoredAuditEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings()]
    released = {row.detail["token"] for row in rows if row.action == AuditAction.RETRY_RELEASED}
    return [
        HeldRetry(
            token=row.detail["token"],
            actor=row.actor,
            recovery_id=row.subject or "",
            request_id=row.detail["request_id"],
            at=row.at,
        )
        for row in rows
        if row.action == AuditAction.RETRY_RESERVED and row.detail["token"] not in released
    ]


async def try_locks(session: Session, *marks: bytes) -> bool:
    """Takes an advisory lock per mark until the transaction ends; False, at once, if another transaction holds one."""
    for mark in marks:
        # A lock's key is a bigint: the first 8 bytes of the hash.
        key = int.from_bytes(mark[:8], "big", signed=True)
        if not (await session.execute(select(func.pg_try_advisory_xact_lock(key)))).scalar_one():
            return False
    return True
