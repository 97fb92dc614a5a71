"""Sessions in the database: begun at the sign-in, read for each request, ended by sign-out or by somebody else.

The signed cookie holds a secret that names the row, so a copied cookie is worthless once the session is over.
"""

import contextlib
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.admin.login_config import LoginConfig, login_config_of
from api.admin.sessions import ROOT, Person, Role, SignInNeeded, Visit
from api.deps import Parts, get_parts
from core.errors import StoreUnavailable
from core.operators import is_same_person
from db.repositories import admin_sessions, operator_actions
from db.repositories.admin_sessions import AdminSession
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Session

SECRET_KEY: Final = "session"
"""Key of the session's secret in the cookie."""
PASSWORD: Final = "password"
OPENID: Final = "openid"
"""How somebody signed in."""
ASSETS: Final = f"{ROOT}/assets/"
"""Style and script, which everybody may read."""


class SessionReader:
    """Middleware that finds out who sends a request, for all pages, those of errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with a `Visit` in its state."""
        if scope["type"] == "http":
            request = Request(scope)
            public = scope["path"].startswith(ASSETS)
            request.state.visit = Visit() if public else await _read_visit(request, get_parts(request))
        await self._app(scope, receive, send)


async def _read_visit(request: Request, parts: Parts) -> Visit:
    secret, now = request.session.get(SECRET_KEY), parts.clock()
    if not isinstance(secret, str):
        return Visit()
    try:
        async with parts.database.begin() as session:
            found = await admin_sessions.find_session(session, secret)
    except StoreUnavailable as away:
        return Visit(problem=away)
    person = _person_of(login_config_of(request), found, now) if found else None
    if found is None or person is None:
        del request.session[SECRET_KEY]
        return Visit(problem=SignInNeeded(expired=True))
    await _mark_seen(parts, found, now)
    return Visit(person)


async def _mark_seen(parts: Parts, found: AdminSession, now: datetime) -> None:
    # A transaction of its own: during a failover rows can't be written, and pages are read all the same.
    if found.last_seen_at < now - admin_sessions.TOUCH_EVERY:
        with contextlib.suppress(StoreUnavailable):
            async with parts.database.begin() as session:
                await admin_sessions.mark_session_seen(session, found.id, now)


def _person_of(ways: LoginConfig, found: AdminSession, now: datetime) -> Person | None:
    """The person of a session; None if it is over, or they may not sign in any more."""
    role = _current_role(ways, found) if found.is_open(now) else None
    if role is None:
        return None
    return Person(
        name=found.name, role=role, until=found.expires_at, session_id=found.id, bootstrap=_is_bootstrap(ways, found)
    )


def _current_role(ways: LoginConfig, found: AdminSession) -> Role | None:
    """The role that the person has now; None if they may not sign in any more."""
    # LOCAL_USERS may have changed since the sign-in. What an issuer says of a person is known at a sign-in only.
    return ways.local.current_role(found.name) if found.how == PASSWORD else Role(found.role)


def _is_bootstrap(ways: LoginConfig, found: AdminSession) -> bool:
    return found.how == PASSWORD and ways.local.is_bootstrap_name(found.name)


async def start_session(request: Request, parts: Parts, name: str, role: Role, how: str) -> None:
    """Starts the session of this person, whose other sessions get the same role. Raises StoreUnavailable."""
    now, length = parts.clock(), login_config_of(request).session_length
    async with parts.database.begin() as session:
        await admin_sessions.change_role(session, name, how, role.value, now)
        secret = await admin_sessions.insert_session(
            session, name=name, role=role.value, how=how, now=now, expires_at=now + length
        )
    # Cleared first: a session that somebody else prepared in this browser must not become the person's.
    request.session.clear()
    request.session[SECRET_KEY] = secret


async def is_open(parts: Parts, id: UUID) -> bool:
    """Whether this session goes on. Raises StoreUnavailable."""
    async with parts.database.begin() as session:
        found = await admin_sessions.load_session(session, id)
    return found is not None and found.is_open(parts.clock())


async def end_own_session(parts: Parts, person: Person) -> None:
    """Ends the session of this person's request. Raises StoreUnavailable."""
    async with parts.database.begin() as session:
        await admin_sessions.end_sessions(session, [person.session_id], person.name, parts.clock())


async def end_denied_sessions(parts: Parts, name: str) -> None:
    """Ends the sessions of a person whom the issuer confirmed and who may not sign in any more; none without a name.

    Raises StoreUnavailable.
    """
    if name:
        async with parts.database.begin() as session:
            await end_sessions_of(session, name, name, parts.clock())


async def end_sessions_of(session: Session, name: str, actor: str, now: datetime, role: str | None = None) -> int:
    """Ends every session of a person, however the name is spelled; returns how many, each in the audit log."""
    theirs = [one.id for one in await admin_sessions.load_open_sessions(session, now) if is_same_person(one.name, name)]
    return len(await end_audited(session, theirs, actor, now, role))


async def end_audited(
    session: Session, ids: list[UUID], actor: str, now: datetime, role: str | None = None
) -> list[AdminSession]:
    """Ends those of these sessions that are open, with an audit entry for each, and returns them."""
    ended = await admin_sessions.end_sessions(session, ids, actor, now)
    for one in ended:
        done = AuditEntry(
            actor=actor, role=role, action=AuditAction.SESSION_ENDED, subject=one.name, detail={"session": str(one.id)}
        )
        await operator_actions.record_entry(session, done, now)
    return ended
