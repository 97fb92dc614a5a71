"""Sessions of the admin console: a signed cookie with the person's name, role and end of session."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.deps import PartsDep
from core.base import Value

PERSON_KEY: Final = "person"
"""Key of the person in the session."""
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


def start_session(request: Request, person: Person) -> None:
    """Starts the session of this person."""
    # Cleared first: a session that somebody else prepared in this browser must not become the person's.
    request.session.clear()
    request.session[PERSON_KEY] = person.model_dump(mode="json")


def signed_in_person(request: Request, now: datetime) -> Person:
    """The person of this session. Raises SignInNeeded if there is none or the session has ended."""
    try:
        person = Person.model_validate(request.session.get(PERSON_KEY))
    except ValidationError:
        raise SignInNeeded from None
    if person.until <= now:
        request.session.clear()
        raise SignInNeeded(expired=True)
    return person


def require_role(role: Role) -> Callable[..., Awaitable[Person]]:
    """A FastAPI dependency that returns the person signed in if they have this role or a higher one.

    Raises SignInNeeded, which leads to the login page, and answers 403 for a lower role.
    """

    async def authorize_person(request: Request, parts: PartsDep) -> Person:
        found = signed_in_person(request, parts.clock())
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
