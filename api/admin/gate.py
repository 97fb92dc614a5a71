"""How often signing in may fail, and what is kept of it. Counted in the database, for all API processes together."""

import asyncio
from datetime import datetime, timedelta

from fastapi import Request

from api.admin import access
from api.admin.people import Role
from api.deps import Parts
from core import logins
from core.errors import TooMany
from db.repositories import operator_actions
from db.repositories.operator_actions import Done, Kind
from db.session import Session

NOBODY = "unknown"
"""The actor of a failed sign-in: what was typed as a name may have been a password."""
A_MOMENT = timedelta(seconds=1)


async def by_password(request: Request, parts: Parts, name: str, password: str) -> Role | None:
    """The role of whoever has this name and password; None, and one failure more, where they don't fit.

    Raises TooMany. One name and one address have one try at a time, so that parallel ones can't outrun the count.
    """
    ways = access.of(request)
    of_name, of_address = ways.mark("name", name.casefold()), ways.mark("address", access.address(request))
    # Whoever waits in this process does so without a connection; what goes on in others is told at once.
    async with ways.turn, parts.database.begin() as session:
        if not await operator_actions.alone(session, of_name, of_address):
            raise _too_many(A_MOMENT)
        await _refuse(session, parts.clock(), of_name, of_address)
        role = await asyncio.to_thread(ways.local.role_of, name, password)
        if role is None:
            done = Done(actor=NOBODY, action=Kind.LOGIN_FAILED, detail={"how": "password"}, name_hash=of_name,
                        address_hash=of_address)  # fmt: skip
            await operator_actions.record(session, done, parts.clock())
    return role


async def not_too_many(request: Request, parts: Parts) -> None:
    """Raises TooMany where too many sign-ins from the address of this request have failed."""
    ways = access.of(request)
    async with parts.database.begin() as session:
        await _refuse(session, parts.clock(), None, ways.mark("address", access.address(request)))


async def failed(request: Request, parts: Parts, name: str, why: str) -> None:
    """Keep a sign-in at the OpenID provider that came to nothing; `name` where the provider vouched for it."""
    ways = access.of(request)
    done = Done(
        actor=name or NOBODY, action=Kind.LOGIN_FAILED, detail={"how": "openid", "why": why},
        address_hash=ways.mark("address", access.address(request)),
    )  # fmt: skip
    async with parts.database.begin() as session:
        await operator_actions.record(session, done, parts.clock())


async def record(request: Request, parts: Parts, name: str, role: Role, action: Kind, **detail: object) -> None:
    """Keep that somebody came or went."""
    mark = access.of(request).mark("address", access.address(request))
    done = Done(actor=name, role=role.value, action=action, detail=detail, address_hash=mark)
    async with parts.database.begin() as session:
        await operator_actions.record(session, done, parts.clock())


async def _refuse(session: Session, now: datetime, of_name: bytes | None, of_address: bytes) -> None:
    since, waits = now - logins.WINDOW, []
    if of_name:
        found = await operator_actions.failed_logins(session, since, name_hash=of_name)
        waits.append(logins.wait(found.count, found.first_at, logins.BY_NAME, now))
    found = await operator_actions.failed_logins(session, since, address_hash=of_address)
    waits.append(logins.wait(found.count, found.first_at, logins.BY_ADDRESS, now))
    if longest := max(waits):
        raise _too_many(longest)


def _too_many(wait: timedelta) -> TooMany:
    minutes = -(-int(wait.total_seconds()) // 60)
    away = "in a moment" if wait <= A_MOMENT else f"in {minutes} minute{'s' if minutes != 1 else ''}"
    return TooMany(f"Too many sign-ins have failed. Please try again {away}.", wait)
