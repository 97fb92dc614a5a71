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

from api.admin import local_users, oidc
from api.admin.local_users import LocalUsers
from api.admin.oidc import OpenIdClient
from core.errors import InvalidInput
from settings import Settings


@dataclass(frozen=True)
class LoginConfig:
    """What the settings say about signing in."""

    secret: str
    """Signs the sessions."""
    secure: bool
    """Whether browsers send the cookie over https only."""
    session_length: timedelta
    openid: OpenIdClient | None
    local: LocalUsers
    notes: tuple[str, ...]
    """What whoever starts the service should know."""
    password_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a password is checked: one at a time, since each takes 64 MB."""

    def keyed_hash(self, kind: str, text: str) -> bytes:
        """A keyed hash: equal texts are counted as one, and nobody reads them back."""
        return hmac.digest(self.secret.encode(), f"{kind}\n{text}".encode(errors="replace"), hashlib.sha256)


def build_login_config(settings: Settings) -> LoginConfig:
    """Raises InvalidInput for settings that are not as they should be."""
    _check_addresses(settings)
    people = local_users.parse_local_users(settings.local_users.get_secret_value())
    closed = _password_login_obstacle(settings)
    bootstrap = settings.bootstrap_api_key.get_secret_value()
    local = LocalUsers({}, "") if closed else LocalUsers(people, bootstrap)
    secret, kept = _session_secret(settings, bool(local))
    notes = [closed] if closed and (people or bootstrap) else []
    if local and not kept:
        notes.append("sessions end with this process: neither SESSION_SECRET nor BOOTSTRAP_API_KEY is set")
    return LoginConfig(
        secret=secret,
        secure=urlsplit(settings.public_url).scheme == "https",
        session_length=timedelta(hours=settings.session_hours),
        openid=OpenIdClient(settings) if settings.oidc_issuer else None,
        local=local,
        notes=tuple(notes),
    )


def login_config_of(request: Request) -> LoginConfig:
    """That of the application that serves this request."""
    found = request.app.state.access
    assert isinstance(found, LoginConfig)
    return found


def client_address(request: Request) -> str:
    """Where a request comes from, as far as it can be told apart: an IPv6 network is one place."""
    given = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(given)
    except ValueError:
        return given
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _password_login_obstacle(settings: Settings) -> str:
    """Why nobody signs in by password; empty where they may."""
    if settings.oidc_issuer:
        return "the admin console's sign-in by password is off: OIDC_ISSUER is set"
    if settings.live_providers:
        return f"the admin console's sign-in by password is off: {settings.live_providers[0]} is live; set OIDC_ISSUER"
    return ""


def _check_addresses(settings: Settings) -> None:
    given = {"PUBLIC_URL": settings.public_url, "OIDC_ISSUER": settings.oidc_issuer}
    for name, text in given.items():
        if text:
            oidc.check_base_address(name, text)
        if text and settings.live_providers and urlsplit(text).scheme != "https":
            raise InvalidInput(f"{name} must begin with https: {settings.live_providers[0]} is live.")


def _session_secret(settings: Settings, local: bool) -> tuple[str, bool]:
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
