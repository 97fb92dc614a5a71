"""Sessions of the admin console: who may end whose, and that an ended one opens nothing, whoever kept its cookie."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from api.admin.local_users import LocalUsers
from api.admin.login_config import LoginConfig
from api.admin.sessions import Role
from core.errors import StoreUnavailable
from db.access_models import admin_session
from db.repositories import admin_sessions
from db.repositories.admin_sessions import KEPT_FOR, AdminSession
from db.session import Database
from tests.api.admin.console import AdminBrowser
from tests.api.admin.test_login import admin_app_of, app_with_users, audit_entries, new_address
from tests.api.admin.visitor import PASSWORD, Visitor, local_users, open_visitor
from tests.api.harness import app_now
from tests.intake.fakes import FakeRecoveries, unique_id


@pytest.fixture
def app(database: Database, recoveries: FakeRecoveries) -> FastAPI:
    """A console with one user per role."""
    return app_with_users(database, recoveries)


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[Visitor]:
    """A browser without a session."""
    async with open_visitor(app, address=new_address()) as signed_out_visitor:
        yield signed_out_visitor


async def sessions_of(db: Database, name: str) -> list[AdminSession]:
    """The open sessions of a person, newest first."""
    async with db.begin() as session:
        return [one for one in await admin_sessions.load_open_sessions(session, app_now()) if one.name == name]


async def newest_session(browser: AdminBrowser, name: str) -> AdminSession:
    """The session of this browser's person, who signs in with it."""
    assert (await browser.get_page("/sessions")).status == 200
    return (await sessions_of(browser.harness.db, name))[0]


async def test_copied_cookie_opens_nothing_after_the_sign_out(app: FastAPI, visitor: Visitor) -> None:
    await visitor.sign_in("ada", PASSWORD)
    copied = visitor.client.cookies["pri_session"]
    async with open_visitor(app, address=new_address()) as thief:
        thief.client.cookies.set("pri_session", copied, path="/admin")
        assert await thief.is_signed_in()
        thief.client.cookies.clear()
        await visitor.post_form("/admin/logout")
        thief.client.cookies.set("pri_session", copied, path="/admin")
        assert not await thief.is_signed_in()


async def test_the_cookie_holds_neither_name_nor_role(visitor: Visitor, database: Database) -> None:
    await visitor.sign_in("ada", PASSWORD)
    async with database.begin() as session:
        rows = (await session.execute(select(admin_session.c.hash, admin_session.c.name))).all()
    cookie = visitor.client.cookies["pri_session"]
    assert len(rows[0].hash) == 32
    assert not any(row.hash.hex() in cookie or row.name in cookie for row in rows)


async def test_an_admin_ends_the_session_of_another(console: AdminBrowser) -> None:
    username = unique_id("otto")
    other, admin = console.sign_in_as(Role.OPERATOR, username), console.sign_in_as(Role.ADMIN, unique_id("ada"))
    theirs = await newest_session(other, username)
    page = await admin.get_page("/sessions")
    assert f"End this session of {username}" in page.html
    answer = await admin.submit_and_follow(f"/sessions/{theirs.id}/end")
    assert f"The session of {username} is over." in answer.text
    assert (await other.get_page("/recoveries")).response.headers["location"].endswith("&expired=1")
    assert await sessions_of(console.harness.db, username) == []
    (entry,) = [
        one for one in await audit_entries(console.harness.db, action="session_ended") if one.subject == username
    ]
    assert (entry.role, entry.detail) == ("admin", {"session": str(theirs.id)})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_others_end_their_own_sessions_alone(role: Role, console: AdminBrowser) -> None:
    username, stranger = unique_id("vera"), unique_id("otto")
    here, elsewhere = console.sign_in_as(role, username), console.sign_in_as(role, username.upper())
    theirs = await newest_session(console.sign_in_as(Role.VIEWER, stranger), stranger)
    own = await newest_session(elsewhere, username.upper())
    page = await here.get_page("/sessions")
    assert stranger not in page.html
    assert (await here.submit_form(f"/sessions/{theirs.id}/end")).status == 403
    assert await sessions_of(console.harness.db, stranger)
    assert (await here.submit_form(f"/sessions/{own.id}/end")).status == 303
    assert (await elsewhere.get_page("/recoveries")).status == 303
    assert (await here.get_page("/recoveries")).status == 200


async def test_ending_ones_own_session_leads_to_the_sign_in(console: AdminBrowser) -> None:
    username = unique_id("vera")
    browser = console.sign_in_as(Role.VIEWER, username)
    own = await newest_session(browser, username)
    answer = await browser.submit_form(f"/sessions/{own.id}/end")
    assert answer.response.headers["location"] == "/admin/login"
    assert (await browser.get_page("/recoveries")).status == 303


async def test_users_taken_out_or_changed_are_so_at_once(
    app: FastAPI, visitor: Visitor, database: Database, recoveries: FakeRecoveries
) -> None:
    await visitor.sign_in("otto", PASSWORD)
    for people, role in (({"otto": Role.VIEWER}, "viewer"), ({"otto": Role.ADMIN}, "admin")):
        _give_users(app, app_with_users(database, recoveries, local_users=SecretStr(local_users(**people))))
        assert f'<span class="role">{role}</span>' in (await visitor.get_page("/admin/recoveries")).text
    _give_users(app, app_with_users(database, recoveries, local_users=SecretStr(local_users(vera=Role.VIEWER))))
    assert not await visitor.is_signed_in()


def _give_users(app: FastAPI, restarted: FastAPI) -> None:
    """Gives the application the users of another one, as a restart with other settings does."""
    access: LoginConfig = admin_app_of(app).state.access
    others: LoginConfig = admin_app_of(restarted).state.access
    users: LocalUsers = others.local
    object.__setattr__(access, "local", users)


async def test_sessions_are_seen_and_their_rows_go_after_a_month(console: AdminBrowser) -> None:
    name, now, db = unique_id("ada"), app_now(), console.harness.db
    length: dict[str, Any] = {"role": "admin", "how": "openid"}
    async with db.begin() as session:
        begun = now - timedelta(hours=1)
        secret = await admin_sessions.insert_session(
            session, name=name, now=begun, expires_at=now + length_of(1), **length
        )
        stored = await admin_sessions.find_session(session, secret)
        assert stored
        await admin_sessions.mark_session_seen(session, stored.id, now)
        seen = await admin_sessions.load_session(session, stored.id)
        assert seen
        assert (stored.last_seen_at, seen.last_seen_at) == (begun, now)
        assert await admin_sessions.end_sessions(session, [stored.id], "bob", now)
        assert await admin_sessions.end_sessions(session, [stored.id], "eve", now) == []
        for later, kept in ((KEPT_FOR, True), (KEPT_FOR + timedelta(seconds=1), False)):
            await admin_sessions.insert_session(
                session, name=name, now=now + later, expires_at=now + later + length_of(1), **length
            )
            left = await admin_sessions.load_session(session, stored.id)
            assert (left is not None and left.ended_by == "bob") is kept


async def test_a_page_marks_its_session_as_seen_and_opens_without(
    console: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, db = unique_id("ada"), console.harness.db
    browser = console.sign_in_as(Role.VIEWER, name)
    own = await newest_session(browser, name)

    async def refuse(*_: object) -> None:
        raise StoreUnavailable("session is read-only")

    async with db.begin() as session:
        await admin_sessions.mark_session_seen(session, own.id, app_now() - timedelta(hours=1))
    with monkeypatch.context() as patch:
        patch.setattr(admin_sessions, "mark_session_seen", refuse)
        assert (await browser.get_page("/sessions")).status == 200
    assert (await sessions_of(db, name))[0].last_seen_at < app_now() - timedelta(minutes=30)
    assert (await browser.get_page("/sessions")).status == 200
    assert (await sessions_of(db, name))[0].last_seen_at > app_now() - timedelta(minutes=1)


def length_of(hours: int) -> timedelta:
    """The length of a session."""
    return timedelta(hours=hours)
