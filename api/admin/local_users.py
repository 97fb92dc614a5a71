"""Password logins for development machines: user `admin` with BOOTSTRAP_API_KEY, and the users of LOCAL_USERS."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from api.admin.sessions import Role
from core.base import Value
from core.errors import InvalidInput
from core.operators import is_same_person

BOOTSTRAP_NAME: Final = "admin"
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9._@-]{1,100}")
_HASHER: Final = PasswordHasher()


class LocalUser(Value):
    """One entry of LOCAL_USERS."""

    role: Role
    hash: str


class LocalUsers:
    """The users who may sign in by password."""

    def __init__(self, people: Mapping[str, LocalUser], bootstrap_key: str) -> None:
        self._people, self._bootstrap = dict(people), bootstrap_key
        # Checked for unknown names, so that the time of an answer does not reveal which names exist.
        self._decoy_hash = _HASHER.hash("nobody's") if people else ""

    def __bool__(self) -> bool:
        """Whether there is any user."""
        return bool(self._people or self._bootstrap)

    def role_of(self, name: str, password: str) -> Role | None:
        """The role of the user with this name and password; None if they are wrong.

        Slow on purpose (argon2): call it in a thread.
        """
        known = self._people.get(name)
        if _is_password_right(known.hash if known else self._decoy_hash, password) and known:
            return known.role
        return Role.ADMIN if self._is_bootstrap(name, password) else None

    def current_role(self, name: str) -> Role | None:
        """The role of the user with this name; None for a name that may not sign in by password."""
        known = self._people.get(name)
        return known.role if known else (Role.ADMIN if self.is_bootstrap_name(name) else None)

    def is_bootstrap_name(self, name: str) -> bool:
        """Whether the bootstrap key is this name's password: it is `admin`, and LOCAL_USERS has no such user."""
        listed = any(is_same_person(one, BOOTSTRAP_NAME) for one in self._people)
        return bool(self._bootstrap) and name == BOOTSTRAP_NAME and not listed

    def _is_bootstrap(self, name: str, password: str) -> bool:
        same = hmac.compare_digest(_hash_text(password), _hash_text(self._bootstrap))
        return same and self.is_bootstrap_name(name)


def parse_local_users(text: str) -> dict[str, LocalUser]:
    """The users of LOCAL_USERS by name. Raises InvalidInput, without hashes in the text, for an invalid entry."""
    found: dict[str, LocalUser] = {}
    for number, entry in enumerate(text.split(), 1):
        name, _, rest = entry.partition(":")
        role, _, hashed = rest.partition(":")
        if not NAME_PATTERN.fullmatch(name) or role not in set(Role) or not _is_hash(hashed):
            raise InvalidInput(f"LOCAL_USERS: entry {number} is not as `pri users hash` prints it.")
        if any(is_same_person(name, other) for other in found):
            raise InvalidInput(f"LOCAL_USERS: {name} is there twice; capital letters make nobody another person.")
        found[name] = LocalUser(role=Role(role), hash=hashed)
    return found


def format_local_user(name: str, role: Role, password: str) -> str:
    """An entry for LOCAL_USERS. Raises InvalidInput for a name or password that can't be used."""
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput("A name has letters, digits and . _ @ -, 100 of them at most.")
    if len(password) < 8:
        raise InvalidInput("A password has 8 characters or more.")
    return f"{name}:{role.value}:{_HASHER.hash(password)}"


def _is_password_right(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password.encode(errors="replace"))
    except (Argon2Error, InvalidHashError):
        return False


def _is_hash(text: str) -> bool:
    try:
        extract_parameters(text)
    except InvalidHashError:
        return False
    return True


def _hash_text(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
