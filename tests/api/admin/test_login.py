"""Password sign-in on a development machine: sessions, audit entries, and the login throttle."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import Mount

from api.admin.sessions import Role
from core.operators import MAX_FAILURES_PER_ADDRESS, MAX_FAILURES_PER_NAME
from db.repositories import operator_actions
from db.repositories.operator_actions import StoredAuditEntry
from db.session import Database
from tests.api.admin.visitor import PASSWORD, Visitor, local_users, open_visitor
from tests.api.harness import BOOTSTRAP, app_now, build_app
from tests.intake.fakes import FakeRecoveries

_numbers: Iterator[int] = count(1)


def new_address() -> str:
    """A client address that no other test uses: they share one database."""
    number = next(_numbers)
    return f"10.1.{number // 200}.{number % 200 + 1}"


def app_with_users(db: Database, recoveries: FakeRecoveries, **changes: Any) -> FastAPI:
    """An admin console with users Vera, Otto and Ada besides the bootstrap admin."""
    people = local_users(vera=Role.VIEWER, otto=Role.OPERATOR, ada=Role.ADMIN)
    return build_app(db, recoveries, **{"local_users": SecretStr(people)} | changes)


@pytest.fixture
def app(database: Database, recoveries: FakeRecoveries) -> FastAPI:
    """The application."""
    return app_with_users(database, recoveries)


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[Visitor]:
    """A browser without a session."""
    async with open_visitor(app, address=new_address()) as signed_out_visitor:
        yield signed_out_visitor


async def audit_entries(db: Database, actor: str | None = None, action: str | None = None) -> list[StoredAuditEntry]:
    """The audit entries that match, newest first."""
    async with db.begin() as session:
        return list((await operator_actions.load_entries(session, actor=actor, action=action)).items)


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("admin", BOOTSTRAP, "admin"),
        ("vera", PASSWORD, "viewer"),
        ("otto", PASSWORD, "operator"),
        ("ada", PASSWORD, "admin"),
    ],
)
async def test_name_and_password_open_the_console(
    name: str, password: str, role: str, visitor: Visitor, database: Database
) -> None:
    answer = await visitor.sign_in(name, password)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    page = await visitor.get_page("/admin/recoveries")
    assert (page.status_code, f'<span class="role">{role}</span>' in page.text) == (200, True)
    newest = (await audit_entries(database, actor=name))[0]
    assert (newest.action, newest.role, newest.detail) == ("login", role, {"how": "password"})


WRONG = [("admin", "wrong"), ("admin", ""), ("", BOOTSTRAP), ("otto", BOOTSTRAP), ("Otto", PASSWORD),
         ("nobody", PASSWORD), ("nobody", "\udcff"), ("x" * 200, "y" * 500)]  # fmt: skip


@pytest.mark.parametrize(("name", "password"), WRONG)
async def test_wrong_credentials_do_not_open_the_console(name: str, password: str, visitor: Visitor) -> None:
    answer = await visitor.sign_in(name, password.encode(errors="replace").decode())
    assert (answer.status_code, "Wrong name or password" in answer.text) == (401, True)
    assert not await visitor.is_signed_in()


async def test_typed_passwords_are_not_stored(visitor: Visitor, database: Database) -> None:
    await visitor.sign_in("my-password-in-the-wrong-field", "x")
    newest = (await audit_entries(database, action="login_failed"))[0]
    assert (newest.actor, newest.detail) == ("unknown", {"how": "password"})


async def test_listed_admin_disables_the_bootstrap_key(database: Database, recoveries: FakeRecoveries) -> None:
    app = app_with_users(database, recoveries, local_users=SecretStr(local_users(admin=Role.VIEWER)))
    async with open_visitor(app, address=new_address()) as visitor:
        assert (await visitor.sign_in("admin", BOOTSTRAP)).status_code == 401
        await visitor.sign_in("admin", PASSWORD)
        assert '<span class="role">viewer</span>' in (await visitor.get_page("/admin/recoveries")).text


@pytest.mark.parametrize(
    ("destination", "location"),
    [
        ("/admin/recoveries?q=a", "/admin/recoveries?q=a"), ("/admin", "/admin"), ("", "/admin/"),
        ("/v1/recoveries", "/admin/"),
        ("https://evil.test/admin/", "/admin/"), ("//evil.test", "/admin/"), ("/admin/\\evil.test", "/admin/"),
        ("/admin//evil.test", "/admin/"), ("/administrator", "/admin/"),
    ],
)  # fmt: skip
async def test_sign_in_redirects_only_to_console_pages(destination: str, location: str, visitor: Visitor) -> None:
    assert (await visitor.sign_in(next=destination)).headers["location"] == location


async def test_a_page_leads_to_the_sign_in_and_back(visitor: Visitor) -> None:
    answer = await visitor.get_page("/admin/recoveries", q="x y")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/admin/login?next=%2Fadmin%2Frecoveries%3Fq%3Dx%2By"


async def test_sign_out_ends_the_session_and_is_audited(visitor: Visitor, database: Database) -> None:
    await visitor.sign_in("ada", PASSWORD)
    assert (await visitor.post_form("/admin/logout")).headers["location"] == "/admin/login"
    assert not await visitor.is_signed_in()
    assert [entry.action for entry in await audit_entries(database, actor="ada")][:2] == ["logout", "login"]


async def test_a_session_ends_after_its_hours(database: Database, recoveries: FakeRecoveries) -> None:
    app = app_with_users(database, recoveries, session_hours=2)
    async with open_visitor(app, address=new_address()) as visitor:
        answer = await visitor.sign_in()
        assert "max-age=7200" in answer.headers["set-cookie"].lower()
        for after, open_still in ((timedelta(hours=2, seconds=-30), True), (timedelta(hours=2), False)):
            _advance_clock(app, after)
            assert await visitor.is_signed_in() is open_still
        await visitor.sign_in()
        _advance_clock(app, timedelta(hours=5))
        answer = await visitor.get_page("/admin/recoveries")
        assert answer.headers["location"] == "/admin/login?next=%2Fadmin%2Frecoveries&expired=1"
        assert "Your session has ended" in (await visitor.get_page(answer.headers["location"])).text


def _advance_clock(app: FastAPI, after: timedelta) -> None:
    """Sets the application's clock ahead."""
    parts = dataclasses.replace(app.state.parts, clock=lambda: app_now() + after)
    app.state.parts = admin_app_of(app).state.parts = parts


def admin_app_of(app: FastAPI) -> FastAPI:
    """The application below /admin."""
    admin_app = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == "/admin")
    assert isinstance(admin_app, FastAPI)
    return admin_app


async def test_session_cookie_is_limited_to_the_console_and_http_only(visitor: Visitor) -> None:
    cookie = (await visitor.sign_in()).headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/admin"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie


async def test_session_cookie_is_secure_behind_https(database: Database, recoveries: FakeRecoveries) -> None:
    app = app_with_users(database, recoveries, public_url="https://console.example.com")
    async with open_visitor(app, "https://console.example.com", new_address()) as visitor:
        assert "secure" in (await visitor.sign_in()).headers["set-cookie"].lower()
        assert await visitor.is_signed_in()


@pytest.mark.parametrize("change", ["cut", "other", "forged"])
async def test_changed_cookie_is_refused(change: str, visitor: Visitor) -> None:
    await visitor.sign_in()
    cookie = visitor.client.cookies["pri_session"]
    changed = {"cut": cookie[:-2], "other": cookie.replace(cookie[5], "A" if cookie[5] != "A" else "B", 1),
               "forged": "eyJwZXJzb24iOnt9fQ==.aaaa.bbbb"}[change]  # fmt: skip
    visitor.client.cookies.clear()
    visitor.client.cookies.set("pri_session", changed, path="/admin")
    assert not await visitor.is_signed_in()


async def test_username_is_locked_after_five_failures(app: FastAPI, visitor: Visitor) -> None:
    name = new_address()
    for _ in range(MAX_FAILURES_PER_NAME):
        async with open_visitor(app, address=new_address()) as other:
            assert (await other.sign_in(name, "wrong")).status_code == 401
    for username in (name, name.upper()):
        refused = await visitor.sign_in(username, "wrong")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 900
        assert "try again in 15 minutes" in refused.text
    assert (await visitor.sign_in("ada", PASSWORD)).status_code == 303


async def test_locked_username_is_refused_with_the_right_password(
    database: Database, recoveries: FakeRecoveries
) -> None:
    app = app_with_users(database, recoveries, local_users=SecretStr(local_users(locked=Role.VIEWER)))
    async with open_visitor(app, address=new_address()) as visitor:
        for _ in range(MAX_FAILURES_PER_NAME):
            await visitor.sign_in("locked", "wrong")
        assert (await visitor.sign_in("locked", PASSWORD)).status_code == 429
        _advance_clock(app, timedelta(minutes=15))
        assert (await visitor.sign_in("locked", PASSWORD)).status_code == 303


async def test_address_is_locked_after_twenty_failures(app: FastAPI) -> None:
    async with open_visitor(app, address=new_address()) as visitor:
        for number in range(MAX_FAILURES_PER_ADDRESS):
            assert (await visitor.sign_in(f"{new_address()}-{number}", "wrong")).status_code == 401
        assert (await visitor.sign_in("ada", PASSWORD)).status_code == 429
    async with open_visitor(app, address=new_address()) as other:
        assert (await other.sign_in("ada", PASSWORD)).status_code == 303


async def test_login_throttle_counts_across_processes_and_parallel_tries(
    database: Database, recoveries: FakeRecoveries
) -> None:
    name, apps = new_address(), [app_with_users(database, recoveries) for _ in range(2)]

    async def try_sign_in(number: int) -> int:
        async with open_visitor(apps[number % 2], address=new_address()) as visitor:
            return (await visitor.sign_in(name, "wrong")).status_code

    responses = await asyncio.gather(*(try_sign_in(number) for number in range(16)))
    assert set(responses) == {401, 429}
    async with database.begin() as session:
        mark = admin_app_of(apps[0]).state.access.keyed_hash("name", name)
        failures = await operator_actions.count_failed_logins(
            session, datetime.min.replace(tzinfo=app_now().tzinfo), name_hash=mark
        )
    assert failures.count == responses.count(401) <= MAX_FAILURES_PER_NAME
