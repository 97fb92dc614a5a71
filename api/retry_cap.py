"""The hourly cap on retries: each takes a place, under a lock, before it is submitted.

A retry that had no effect gives its place back.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from api.deps import Parts
from core.errors import EngineUnavailable, RecoveryError, StoreUnavailable, TooManyRequests
from core.operators import Command, is_same_person
from db.queries import operator_events
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Session

HOUR: Final = timedelta(hours=1)


class RetryPlace:
    """One retry's place under the cap of the person who asks for it; none until `take` returns."""

    def __init__(self, parts: Parts, recovery_id: str) -> None:
        self._parts, self._recovery_id = parts, recovery_id
        self._token: str | None = None

    async def take(self, command: Command) -> None:
        """Takes the place, unless this request has one already.

        Raises TooManyRequests, with the wait until the next place is free, if the person's hour is full.
        """
        most = self._parts.policy().operators.retries_per_hour
        # Count and reservation are one transaction behind the person's lock: of parallel retries, in whatever process,
        # each sees the places that the ones before it took.
        async with self._parts.database.begin() as session:
            await operator_actions.lock_retries(session, command.actor)
            # The time of a turn is read in that turn, so that places are in the order of their times.
            now = self._parts.clock()
            taken = await _taken_places(session, command.actor, now - HOUR)
            if (self._recovery_id, command.request_id) in taken:
                return
            if len(taken) >= most:
                raise _cap_reached(command.actor, taken, most, now)
            token = await self._reserve(session, command, now)
        self._token = token

    async def follow(self, command: Command) -> None:
        """Keeps the place for the same retry under another request id, so that it counts once when it is recorded."""
        if self._token is None:
            return
        now = self._parts.clock()
        async with self._parts.database.begin() as session:
            await self._release(session, self._token, command, now)
            token = await self._reserve(session, command, now)
        self._token = token

    async def give_back(self, command: Command) -> None:
        """Gives the place back. Raises StoreUnavailable."""
        if self._token is None:
            return
        async with self._parts.database.begin() as session:
            await self._release(session, self._token, command, self._parts.clock())
        self._token = None

    async def _reserve(self, session: Session, command: Command, now: datetime) -> str:
        token = uuid.uuid4().hex
        await self._record(session, AuditAction.RETRY_RESERVED, token, command, now)
        return token

    async def _release(self, session: Session, token: str, command: Command, now: datetime) -> None:
        await self._record(session, AuditAction.RETRY_RELEASED, token, command, now)

    async def _record(self, session: Session, action: AuditAction, token: str, command: Command, now: datetime) -> None:
        detail = {"token": token, "request_id": command.request_id}
        done = AuditEntry(actor=command.actor, action=action, subject=self._recovery_id, detail=detail)
        await operator_actions.record_entry(session, done, now)


@asynccontextmanager
async def reserve_retry(parts: Parts, recovery_id: str, command: Command) -> AsyncIterator[RetryPlace]:
    """Holds a place under the cap for this retry, and gives it back if the retry is refused within.

    Raises TooManyRequests, StoreUnavailable.
    """
    place = RetryPlace(parts, recovery_id)
    await place.take(command)
    try:
        yield place
    except RecoveryError as error:
        # Temporal may have taken what it did not answer, and a lost database can't be told: such a place is kept.
        if not isinstance(error, EngineUnavailable | StoreUnavailable):
            await place.give_back(command)
        raise


@asynccontextmanager
async def unlimited(parts: Parts, recovery_id: str) -> AsyncIterator[RetryPlace]:
    """No place, for commands without a cap."""
    yield RetryPlace(parts, recovery_id)


Places = dict[tuple[str, str | None], datetime]
"""Retries by recovery and request, with the time of each: one request id may go to many recoveries."""


async def _taken_places(session: Session, actor: str, since: datetime) -> Places:
    """The person's retries after `since`: in the log, or on the way there."""
    # Retries from Temporal's own tools have no reservation, so the log is counted too, and a request in both once.
    held = await operator_actions.load_held_retries(session, since)
    places: Places = {(one.recovery_id, one.request_id): one.at for one in held if is_same_person(one.actor, actor)}
    for number, row in enumerate(await operator_events.load_recorded_retries(session, since)):
        if is_same_person(row.actor or "", actor):
            places.setdefault((row.recovery_id, row.request_id or f"row {number}"), row.recorded_at)
    return places


def _cap_reached(actor: str, taken: Places, most: int, now: datetime) -> TooManyRequests:
    message = f"{actor} asked for {len(taken)} retries within an hour; {most} are allowed."
    first = min(taken.values(), default=now)
    # Another process's clock may be ahead of this one's.
    return TooManyRequests(message, min(first + HOUR - now, HOUR))
