"""`pri sessions list`, `pri sessions revoke`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from rich.table import Table

from api.admin import stored_sessions
from commands.database import COMMAND_LINE_ACTOR, open_database
from core.errors import InvalidInput, NotFound
from core.formatting import format_moment
from db.repositories import admin_sessions
from db.repositories.admin_sessions import AdminSession
from settings import Settings


def list_sessions(settings: Settings) -> list[AdminSession]:
    """The open sessions, those seen last first. Raises StoreUnavailable."""

    async def read_sessions() -> list[AdminSession]:
        async with open_database(settings) as database, database.begin() as session:
            return await admin_sessions.load_open_sessions(session, datetime.now(UTC))

    return asyncio.run(read_sessions())


def revoke_sessions(settings: Settings, session_id: str | None, name: str | None) -> int:
    """Ends one session, everybody's of a name, or without both all of them; returns how many.

    Raises InvalidInput for an id that is none, NotFound where nothing was open, StoreUnavailable.
    """
    wanted = _parse_id(session_id) if session_id else None
    now = datetime.now(UTC)

    async def end_them() -> int:
        async with open_database(settings) as database, database.begin() as session:
            if name:
                return await stored_sessions.end_sessions_of(session, name, COMMAND_LINE_ACTOR, now)
            ids = [wanted] if wanted else [one.id for one in await admin_sessions.load_open_sessions(session, now)]
            return len(await stored_sessions.end_audited(session, ids, COMMAND_LINE_ACTOR, now))

    ended = asyncio.run(end_them())
    if not ended:
        raise NotFound("No such session is open.")
    return ended


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("A session's id is as `pri sessions list` shows it.") from None


def sessions_table(found: Sequence[AdminSession]) -> Table:
    """The sessions as a table for the terminal."""
    made = Table("id", "name", "role", "signed in", "last seen", "ends")
    for one in found:
        moments = (format_moment(moment) for moment in (one.created_at, one.last_seen_at, one.expires_at))
        made.add_row(str(one.id), one.name, one.role, *moments)
    return made
