"""The login throttle, and audit entries of logins. Failures are counted in the database, for all API processes."""

import asyncio
from datetime import datetime, timedelta

from fastapi import Request

from api.admin import login_config
from api.admin.sessions import Role
from api.client_address import client_address
from api.deps import Parts
from core import operators
from core.errors import TooManyRequests
from core.formatting import spell_duration
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Session

UNKNOWN_ACTOR = "unknown"
"""The actor of a failed sign-in: the name is not recorded, since it may be a password typed into the wrong field."""
SHORT_WAIT = timedelta(seconds=1)


async def log_in_by_password(request: Request, parts: Parts, name: str, password: str) -> Role | None:
    """The role of the user with this name and password; None, with the failure recorded, if they are wrong.

    Raises TooManyRequests with the wait after too many failures of this name or this address; StoreUnavailable.
    """
    ways = login_config.login_config_of(request)
    of_name, of_address = (
        ways.keyed_hash("name", operators.person_key(name)),
        ways.keyed_hash("address", client_address(request, parts.settings.trusted_proxies)),
    )
    # The lock before the connection, so that waiting requests of this process occupy none. Another process's attempt
    # with the same name or address is refused at once instead: parallel attempts can't outrun the count.
    async with ways.password_lock, parts.database.begin() as session:
        if not await operator_actions.try_locks(session, of_name, of_address):
            raise _too_many_logins(SHORT_WAIT)
        await _refuse_if_throttled(session, parts.clock(), of_name, of_address)
        role = await asyncio.to_thread(ways.local.role_of, name, password)
        if role is None:
            done = AuditEntry(
                actor=UNKNOWN_ACTOR,
                action=AuditAction.LOGIN_FAILED,
                detail={"how": "password"},
                name_hash=of_name,
                address_hash=of_address,
            )
            await operator_actions.record_entry(session, done, parts.clock())
    return role


async def record_failed_login(request: Request, parts: Parts, name: str, why: str) -> None:
    """Records a failed sign-in at the OpenID provider; `name` if the provider confirmed it. Raises StoreUnavailable.

    It does not throttle anybody: there is no password to guess here, and behind a proxy everybody has one address. But
    anybody may request this page, so entries without a name are limited per address.
    """
    ways, now = login_config.login_config_of(request), parts.clock()
    mark, detail = (
        ways.keyed_hash("address", client_address(request, parts.settings.trusted_proxies)),
        {"how": "openid", "why": why},
    )
    done = AuditEntry(actor=name or UNKNOWN_ACTOR, action=AuditAction.LOGIN_FAILED, detail=detail, address_hash=mark)
    async with parts.database.begin() as session:
        found = await operator_actions.count_failed_logins(session, now - operators.LOGIN_WINDOW, address_hash=mark)
        if name or found.count < operators.MAX_FAILURES_PER_ADDRESS:
            await operator_actions.record_entry(session, done, now)


async def record_session_event(
    request: Request, parts: Parts, name: str, role: Role, action: AuditAction, **detail: object
) -> None:
    """Records a login or logout in the audit log. Raises StoreUnavailable."""
    mark = login_config.login_config_of(request).keyed_hash(
        "address", client_address(request, parts.settings.trusted_proxies)
    )
    done = AuditEntry(actor=name, role=role.value, action=action, detail=detail, address_hash=mark)
    async with parts.database.begin() as session:
        await operator_actions.record_entry(session, done, parts.clock())


async def _refuse_if_throttled(session: Session, now: datetime, of_name: bytes, of_address: bytes) -> None:
    since = now - operators.LOGIN_WINDOW
    by_name = await operator_actions.count_failed_logins(session, since, name_hash=of_name)
    by_address = await operator_actions.count_failed_logins(session, since, address_hash=of_address)
    longest = max(
        operators.login_delay(by_name.count, by_name.first_at, operators.MAX_FAILURES_PER_NAME, now),
        operators.login_delay(by_address.count, by_address.first_at, operators.MAX_FAILURES_PER_ADDRESS, now),
    )
    if longest:
        raise _too_many_logins(longest)


def _too_many_logins(wait: timedelta) -> TooManyRequests:
    minutes = -(-int(wait.total_seconds()) // 60)
    away = "in a moment" if wait <= SHORT_WAIT else f"in {spell_duration(minutes * 60)}"
    return TooManyRequests(f"Too many sign-ins have failed. Please try again {away}.", wait)
