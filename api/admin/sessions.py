"""Who is signed in to the admin console, and what they may."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from core.base import Value

ROOT: Final = "/admin"


class Role(StrEnum):
    """Roles of people, in ascending order: each includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """The role's place in that order, from 0."""
        return list(Role).index(self)


class Person(Value):
    """A person who is signed in."""

    name: str
    """Recorded as the actor of their commands."""
    role: Role
    until: datetime
    """When they must sign in again, however active they were."""
    session_id: UUID
    """The session that they came by."""
    bootstrap: bool = False
    """Whether they signed in with the bootstrap key: that is nobody in particular, and never a second person."""

    def has_role(self, role: Role) -> bool:
        """Whether the person has this role or a higher one."""
        return self.role.rank >= role.rank


class SignInNeeded(Exception):
    """Nobody is signed in; `expired` if a session has ended."""

    def __init__(self, expired: bool = False) -> None:
        super().__init__("Sign in first.")
        self.expired = expired


@dataclass(frozen=True)
class Visit:
    """What is known of the sender of one request; see `api.admin.stored_sessions`."""

    person: Person | None = None
    problem: Exception | None = None
    """Why a session counts for nothing: it has ended, or sessions can't be read now."""


def signed_in_person(request: Request) -> Person:
    """The person of this session. Raises SignInNeeded if there is none or the session has ended, StoreUnavailable."""
    visit = request.state.visit
    assert isinstance(visit, Visit)
    if visit.person is None:
        raise visit.problem or SignInNeeded
    return visit.person


def require_role(role: Role) -> Callable[..., Awaitable[Person]]:
    """A FastAPI dependency that returns the person signed in if they have this role or a higher one.

    Raises SignInNeeded, which leads to the login page, and answers 403 for a lower role.
    """

    async def authorize_person(request: Request) -> Person:
        found = signed_in_person(request)
        if not found.has_role(role):
            raise HTTPException(403, f"This needs the role {role.value}; you are signed in as {found.role.value}.")
        return found

    return authorize_person


Viewer = Annotated[Person, Depends(require_role(Role.VIEWER))]
Operator = Annotated[Person, Depends(require_role(Role.OPERATOR))]


def login_address(request: Request, expired: bool = False) -> str:
    """The address of the login page, which leads back to this page; after a form, to the dashboard."""
    query = {"next": _current_address(request)} | ({"expired": "1"} if expired else {})
    return f"{ROOT}/login?{urlencode(query)}"


def _current_address(request: Request) -> str:
    if request.method != "GET":
        return ROOT + "/"
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope.get("query_string", b"").decode("ascii", "replace")
    return raw.partition(b"?")[0].decode("ascii", "replace") + (f"?{query}" if query else "")


def safe_next_address(wanted: str) -> str:
    """The address to go to after signing in: `wanted` if it is a page of the admin console, else the dashboard.

    Prevents open redirects.
    """
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and "//" not in wanted.partition("?")[0]
    return wanted if plain and (wanted == ROOT or wanted.startswith(ROOT + "/")) else ROOT + "/"
