"""`pri keys create`, `pri keys list`, `pri keys revoke`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.table import Table

from api.auth import Scope
from commands.database import opened
from core.errors import InvalidInput, InvalidPolicy, NotFound
from core.retry.duration import seconds
from db.repositories import api_keys, operator_actions
from db.repositories.api_keys import ApiKey
from db.repositories.operator_actions import Done, Kind
from settings import Settings

ACTOR = "pri"
"""Whoever sits at the server's own command line; more is not known of them."""


def length(text: str | None) -> timedelta | None:
    """A length of time like 90d; None for None. Raises InvalidInput."""
    try:
        return timedelta(seconds=seconds(text)) if text is not None else None
    except InvalidPolicy as error:
        raise InvalidInput(f"--expires-in: {error}.") from error


def create_key(settings: Settings, name: str, scopes: Sequence[Scope], expires_in: timedelta | None) -> str:
    """A new key; it is shown this once."""
    now = datetime.now(UTC)

    async def create() -> str:
        async with opened(settings) as database, database.begin() as session:
            key, plain = await api_keys.create(session, name, scopes, now, now + expires_in if expires_in else None)
            until = key.expires_at.isoformat() if key.expires_at else None
            detail = {"name": name, "scopes": list(scopes), "expires_at": until}
            done = Done(actor=ACTOR, action=Kind.KEY_CREATED, subject=key.prefix, detail=detail)
            await operator_actions.record(session, done, now)
        return plain

    return asyncio.run(create())


def keys(settings: Settings) -> list[ApiKey]:
    """All keys, newest first."""

    async def read() -> list[ApiKey]:
        async with opened(settings) as database, database.begin() as session:
            return await api_keys.listed(session)

    return asyncio.run(read())


def revoke_key(settings: Settings, prefix: str) -> None:
    """The key stops working. Raises NotFound where none with this prefix works."""
    now = datetime.now(UTC)

    async def revoke() -> None:
        async with opened(settings) as database, database.begin() as session:
            if not await api_keys.revoke(session, prefix, now):
                raise NotFound(f"There is no key that begins with {prefix[:12]}, or it was revoked before.")
            await operator_actions.record(session, Done(actor=ACTOR, action=Kind.KEY_REVOKED, subject=prefix), now)

    asyncio.run(revoke())


def table(found: Sequence[ApiKey]) -> Table:
    """For people."""
    made, now = Table("begins with", "name", "scopes", "made", "last used", "state"), datetime.now(UTC)
    for key in found:
        made.add_row(key.prefix, key.name, " ".join(key.scopes), _day(key.created_at), _day(key.last_used_at),
                     _state(key, now))  # fmt: skip
    return made


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return "works"
    return f"{'works until' if key.expires_at > now else 'expired'} {_day(key.expires_at)}"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "-"
