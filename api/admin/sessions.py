"""Who is signed in: a signed cookie names them and their role, and for how long."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.deps import PartsDep
from core.base import Value

PERSON_KEY: Final = "person"
"""Their place in the session."""
ROOT: Final = "/admin"


class Role(StrEnum):
    """What a person may do, each one all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Higher ones may do more."""
        return list(Role).index(self)


class Person(Value):
    """Someone who is signed in."""

    name: str
    """The actor of what they do."""
    role: Role
    until: datetime
    """When they have to sign in again, whatever they did meanwhile."""

    def has_role(self, role: Role) -> bool:
        """Whether they have this role or one above it."""
        return self.role.rank >= role.rank


class SignInNeeded(Exception):
    """Nobody is signed in, or not any more. `expired` tells the two apart."""

    def __init__(self, expired: bool = False) -> None:
        super().__init__("Sign in first.")
        self.expired = expired


def start_session(request: Request, name: str, role: Role, now: datetime, stay: timedelta) -> Person:
    """From here on the session is theirs; whatever it held before is gone."""
    person = Person(name=name, role=role, until=now + stay)
    request.session.clear()
    request.session[PERSON_KEY] = person.model_dump(mode="json")
    return person


def signed_in_person(request: Request, now: datetime) -> Person:
    """The person of this session. Raises SignInNeeded."""
    try:
        person = Person.model_validate(request.session.get(PERSON_KEY))
    except ValidationError:
        raise SignInNeeded from None
    if person.until <= now:
        request.session.clear()
        raise SignInNeeded(expired=True)
    return person


def require_role(role: Role) -> Callable[..., Awaitable[Person]]:
    """A dependency: the person signed in, who has this role. 403 for a lower one."""

    async def authorize_person(request: Request, parts: PartsDep) -> Person:
        found = signed_in_person(request, parts.clock())
        if not found.has_role(role):
            raise HTTPException(403, f"This needs the role {role.value}; you are signed in as {found.role.value}.")
        return found

    return authorize_person


Viewer = Annotated[Person, Depends(require_role(Role.VIEWER))]
Operator = Annotated[Person, Depends(require_role(Role.OPERATOR))]
Administrator = Annotated[Person, Depends(require_role(Role.ADMIN))]


def login_address(request: Request, expired: bool = False) -> str:
    """The sign-in page that leads back to this one; a form's answer can't be repeated, so it leads to its page."""
    query = {"next": _current_address(request)} | ({"expired": "1"} if expired else {})
    return f"{ROOT}/login?{urlencode(query)}"


def _current_address(request: Request) -> str:
    if request.method != "GET":
        return ROOT + "/"
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope.get("query_string", b"").decode("ascii", "replace")
    return raw.partition(b"?")[0].decode("ascii", "replace") + (f"?{query}" if query else "")


def safe_next_address(wanted: str) -> str:
    """Where to go after signing in: a page of the admin console, whatever the address says."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and "//" not in wanted.partition("?")[0]
    return wanted if plain and (wanted == ROOT or wanted.startswith(ROOT + "/")) else ROOT + "/"
