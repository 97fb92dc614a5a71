"""Authentication of API callers by bearer keys, and authorization by the scopes of a key."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from api.client_address import client_address
from api.deps import Parts, PartsDep
from core.base import Value
from db.repositories import api_keys

LONGEST_KEY = 200


class Scope(StrEnum):
    """Permissions of an API key."""

    READ = "recoveries:read"
    WRITE = "recoveries:write"
    SIMULATE = "simulations:write"
    METRICS = "metrics:read"
    DECODE = "payloads:decode"
    ADMIN = "admin"


class Caller(Value):
    """The authenticated sender of a request."""

    name: str
    """Name of the key, which is its holder's, recorded as the actor of its commands."""
    key_id: str
    scopes: frozenset[str]
    bootstrap: bool = False
    """Whether it is the development key, which has every scope and no hourly cap, and is never a second person."""


BOOTSTRAP = Caller(name="bootstrap", key_id="bootstrap", scopes=frozenset(Scope), bootstrap=True)
_bearer = HTTPBearer(auto_error=False, description="an API key from `pri keys create`")


def require_scope(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """A FastAPI dependency that returns the caller if its key has one of these scopes.

    Answers 401 without a valid key, 403 without a scope. Raises TooManyRequests for a key that asks too often and for
    an address that sent too many wrong keys, StoreUnavailable.
    """

    async def authorize_caller(
        request: Request, shared: PartsDep, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        address = client_address(request, shared.settings.trusted_proxies)
        found = await _find_caller(shared, sent.credentials, address) if sent else None
        if found is None:
            if sent:
                shared.limits.bearers.record_failure(address)
            raise HTTPException(401, "A valid API key is needed.", {"WWW-Authenticate": 'Bearer realm="pri"'})
        shared.limits.check_key(found.key_id)
        if found.scopes.isdisjoint(scopes):
            raise HTTPException(403, f"This key lacks the scope {' or '.join(scopes)}.")
        return found

    return authorize_caller


async def _find_caller(shared: Parts, plain: str, address: str) -> Caller | None:
    bearers = shared.limits.bearers
    if bearers.may_use_bootstrap(address) and _is_secret(plain, shared.settings.bootstrap_api_key):
        bearers.record_bootstrap(address)
        return BOOTSTRAP
    if not plain or len(plain) > LONGEST_KEY:
        return None
    now = shared.clock()
    async with shared.database.begin() as session:
        key = await api_keys.find_key(session, plain, now)
        if key is None:
            return None
        await api_keys.mark_key_used(session, key, now)
    return Caller(name=key.name, key_id=str(key.id), scopes=frozenset(key.scopes))


def _hash_key(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()


async def authorize_scraper(
    request: Request, shared: PartsDep, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """A FastAPI dependency that lets METRICS_KEY pass, which needs no database, and keys with the scope for metrics.

    Answers 401 and 403 as `require_scope` does.
    """
    if not (sent and _is_secret(sent.credentials, shared.settings.metrics_key)):
        await require_scope(Scope.METRICS)(request, shared, sent)


def _is_secret(plain: str, known: SecretStr) -> bool:
    """Whether this is the text of a setting; never, where the setting is empty."""
    # Hashes are compared in constant time, so that the time reveals neither content nor length of the secret.
    secret = known.get_secret_value()
    return hmac.compare_digest(_hash_key(plain), _hash_key(secret)) and bool(secret)


Scraper = Depends(authorize_scraper)
Decoder = Annotated[Caller, Depends(require_scope(Scope.DECODE))]
Simulator = Annotated[Caller, Depends(require_scope(Scope.SIMULATE))]
Writer = Annotated[Caller, Depends(require_scope(Scope.WRITE))]
