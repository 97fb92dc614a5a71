"""`pri keys create`, `pri keys list`, `pri keys revoke`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.table import Table

from api.auth import Scope
from commands.database import COMMAND_LINE_ACTOR, open_database
from core.durations import parse_duration
from core.errors import InvalidInput, InvalidPolicy, NotFound
from core.formatting import format_day
from db.repositories import api_keys, operator_actions
from db.repositories.api_keys import ApiKey
from db.repositories.operator_actions import AuditAction, AuditEntry
from settings import Settings


def parse_length(text: str | None) -> timedelta | None:
    """A duration like 90d; None for None. Raises InvalidInput for any other text."""
    try:
        return timedelta(seconds=parse_duration(text)) if text is not None else None
    except InvalidPolicy as error:
        raise InvalidInput(f"--expires-in: {error}.") from error


def create_key(settings: Settings, name: str, scopes: Sequence[Scope], expires_in: timedelta | None) -> str:
    """Creates a key and returns its secret, which can't be read again. Raises StoreUnavailable."""
    now = datetime.now(UTC)

    async def store_key() -> str:
        async with open_database(settings) as database, database.begin() as session:
            key, plain = await api_keys.insert_key(session, name, scopes, now, now + expires_in if expires_in else None)
            until = key.expires_at.isoformat() if key.expires_at else None
            detail = {"name": name, "scopes": list(scopes), "expires_at": until}
            done = AuditEntry(
                actor=COMMAND_LINE_ACTOR, action=AuditAction.KEY_CREATED, subject=key.prefix, detail=detail
            )
            await operator_actions.record_entry(session, done, now)
        return plain

    return asyncio.run(store_key())


def list_keys(settings: Settings) -> list[ApiKey]:
    """All keys, newest first, without their secrets. Raises StoreUnavailable."""

    async def read_keys() -> list[ApiKey]:
        async with open_database(settings) as database, database.begin() as session:
            return await api_keys.load_keys(session)

    return asyncio.run(read_keys())


def revoke_key(settings: Settings, prefix: str) -> None:
    """Revokes a key. Raises NotFound if no key has this prefix or it was revoked before; StoreUnavailable."""
    now = datetime.now(UTC)

    async def store_revocation() -> None:
        async with open_database(settings) as database, database.begin() as session:
            if not await api_keys.mark_key_revoked(session, prefix, now):
                raise NotFound(f"There is no key that begins with {prefix[:12]}, or it was revoked before.")
            await operator_actions.record_entry(
                session, AuditEntry(actor=COMMAND_LINE_ACTOR, action=AuditAction.KEY_REVOKED, subject=prefix), now
            )

    asyncio.run(store_revocation())


def keys_table(found: Sequence[ApiKey]) -> Table:
    """The keys as a table for the terminal."""
    made, now = Table("begins with", "name", "scopes", "created", "last used", "state"), datetime.now(UTC)
    for key in found:
        made.add_row(
            key.prefix,
            key.name,
            " ".join(key.scopes),
            _format_day(key.created_at),
            _format_day(key.last_used_at),
            _key_state(key, now),
        )
    return made


def _key_state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {_format_day(key.revoked_at)}"
    if key.expires_at is None:
        return "works"
    return f"{'works until' if key.expires_at > now else 'expired'} {_format_day(key.expires_at)}"


def _format_day(moment: datetime | None) -> str:
    return format_day(moment) if moment else "-"
