"""How people get in: by OpenID Connect, or on a development machine by password; and what signs their sessions."""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request

from api.admin import local_people, oidc
from api.admin.local_people import LocalPeople
from api.admin.oidc import OpenId
from core.errors import InvalidInput
from settings import Settings


@dataclass(frozen=True)
class Access:
    """What the settings say about signing in."""

    secret: str
    """Signs the sessions."""
    secure: bool
    """Whether browsers send the cookie over https only."""
    stay: timedelta
    openid: OpenId | None
    local: LocalPeople
    notes: tuple[str, ...]
    """What whoever starts the service should know."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a password is checked: one at a time, since each takes 64 MB."""

    def mark(self, kind: str, text: str) -> bytes:
        """A keyed hash: equal texts are counted as one, and nobody reads them back."""
        return hmac.digest(self.secret.encode(), f"{kind}\n{text}".encode(errors="replace"), hashlib.sha256)


def access(settings: Settings) -> Access:
    """Raises InvalidInput for settings that are not as they should be."""
    _check_addresses(settings)
    people = local_people.parse(settings.local_users.get_secret_value())
    closed = _closed(settings)
    bootstrap = settings.bootstrap_api_key.get_secret_value()
    local = LocalPeople({}, "") if closed else LocalPeople(people, bootstrap)
    secret, kept = _secret(settings, bool(local))
    notes = [closed] if closed and (people or bootstrap) else []
    if local and not kept:
        notes.append("sessions end with this process: neither SESSION_SECRET nor BOOTSTRAP_API_KEY is set")
    return Access(
        secret=secret,
        secure=urlsplit(settings.public_url).scheme == "https",
        stay=timedelta(hours=settings.session_hours),
        openid=OpenId(settings) if settings.oidc_issuer else None,
        local=local,
        notes=tuple(notes),
    )


def of(request: Request) -> Access:
    """That of the application that serves this request."""
    found = request.app.state.access
    assert isinstance(found, Access)
    return found


def address(request: Request) -> str:
    """Where a request comes from, as far as it can be told apart: an IPv6 network is one place."""
    given = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(given)
    except ValueError:
        return given
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _closed(settings: Settings) -> str:
    """Why nobody signs in by password; empty where they may."""
    if settings.oidc_issuer:
        return "the desk's sign-in by password is off: OIDC_ISSUER is set"
    if settings.live_providers:
        return f"the desk's sign-in by password is off: {settings.live_providers[0]} is live; set OIDC_ISSUER"
    return ""


def _check_addresses(settings: Settings) -> None:
    given = {"PUBLIC_URL": settings.public_url, "OIDC_ISSUER": settings.oidc_issuer}
    for name, text in given.items():
        if text:
            oidc.check_address(name, text)
        if text and settings.live_providers and urlsplit(text).scheme != "https":
            raise InvalidInput(f"{name} must begin with https: {settings.live_providers[0]} is live.")


def _secret(settings: Settings, local: bool) -> tuple[str, bool]:
    """The same in every API process and after a restart, if there is something that it can come from.

    Another issuer means other sessions. The bootstrap key may be short enough to be guessed from what it signs, so it
    signs nothing where it opens nothing.
    """
    known = settings.session_secret.get_secret_value()
    known = known or (settings.bootstrap_api_key.get_secret_value() if local else "")
    if not known:
        return secrets.token_hex(32), False
    return hmac.new(
        known.encode(), f"sessions of the desk\n{settings.oidc_issuer}".encode(), hashlib.sha256
    ).hexdigest(), True
