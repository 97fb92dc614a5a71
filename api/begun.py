"""Watches a log for the beginning of a charge."""

import asyncio
from datetime import timedelta

from core.events import State
from db.repositories import recoveries
from db.session import Database

LOOK_EVERY = timedelta(milliseconds=100)


async def begins(database: Database, recovery_id: str) -> None:
    """Returns when a charge begins that had not begun at the first look; whoever stops waiting cancels it."""
    known = await _charging_since(database, recovery_id)
    # The row is written by another process: there is nothing here that could wake us.
    while (now := await _charging_since(database, recovery_id)) is None or now == known:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY.total_seconds())


async def _charging_since(database: Database, recovery_id: str) -> int | None:
    """The row of the log that the charge in flight stands at; None where none is in flight."""
    async with database.begin() as session:
        row = await recoveries.load_recovery_row(session, recovery_id)
    return row["sequence"] if row and row["state"] == State.CHARGING else None
