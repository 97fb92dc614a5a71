"""Configuration of logins: OpenID Connect, or passwords on a development machine; and the key that signs sessions."""

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
    """Ways to sign in and properties of sessions, from the settings."""

    secret: str
    """Key that signs the session cookies."""
    secure: bool
    """Whether browsers send the cookie over https only."""
    session_length: timedelta
    openid: OpenIdClient | None
    local: LocalUsers
    notes: tuple[str, ...]
    """Warnings to log at the start of the service."""
    password_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a password is checked: one at a time, since each takes 64 MB."""

    def keyed_hash(self, kind: str, text: str) -> bytes:
        """An HMAC-SHA256 of a name or address: equal texts can be counted, and none can be read back."""
        return hmac.digest(self.secret.encode(), f"{kind}\n{text}".encode(errors="replace"), hashlib.sha256)


def build_login_config(settings: Settings) -> LoginConfig:
    """The login configuration. Raises InvalidInput for settings that can't be used.

    Password logins are off if OIDC_ISSUER is set or a provider is live.
    """
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
    """The login configuration of the application that serves this request."""
    found = request.app.state.access
    assert isinstance(found, LoginConfig)
    return found


def check_passwords(settings: Settings) -> None:
    """Raises InvalidInput for passwords that would guard real money: they are for development machines.

    With live settings of a provider BOOTSTRAP_API_KEY is refused, and LOCAL_USERS unless the API listens on loopback,
    where they stay without effect.
    """
    if not settings.live_providers:
        return
    live = settings.live_providers[0]
    if settings.bootstrap_api_key.get_secret_value():
        raise InvalidInput(
            f"BOOTSTRAP_API_KEY is for development: it is refused with {live}'s live settings. Leave it empty, and make"
            " keys with `pri keys create`."
        )
    if settings.local_users.get_secret_value() and not _is_loopback(settings.api_host):
        raise InvalidInput(
            f"LOCAL_USERS is for development: with {live}'s live settings it is refused where API_HOST is not the"
            " loopback address. Set OIDC_ISSUER."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _password_login_obstacle(settings: Settings) -> str:
    """Why password logins are off, as a sentence; empty if they are on."""
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
    """The key that signs sessions, and whether it stays the same after a restart and in every API process.

    Derived from SESSION_SECRET, else from the bootstrap key, and from the issuer, so that another issuer ends all
    sessions; random without either.
    """
    # The bootstrap key may be short enough to be guessed from what it signs, so it signs only where it may log in.
    known = settings.session_secret.get_secret_value()
    known = known or (settings.bootstrap_api_key.get_secret_value() if local else "")
    if not known:
        return secrets.token_hex(32), False
    return hmac.new(
        known.encode(), f"sessions of the desk\n{settings.oidc_issuer}".encode(), hashlib.sha256
    ).hexdigest(), True
