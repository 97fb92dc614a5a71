"""OpenID sign-in across sites: the session cookie survives it, and the page's policy allows it."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page
from pydantic import SecretStr

from db.session import Database
from tests.api.admin.issuer import CLIENT, SECRET, Issuer, running_issuer
from tests.api.harness import build_app, run_server
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.intake.fakes import FakeRecoveries

__all__ = ["addresses", "cluster", "database", "fresh_database", "migrated"]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An OpenID provider on another site than the console: `localhost` is one, 127.0.0.1 another."""
    async with running_issuer() as running:
        running.address = running.address.replace("127.0.0.1", "localhost")
        yield running


@pytest.fixture
async def address(database: Database, issuer: Issuer) -> AsyncIterator[str]:
    """The address of the admin console."""
    front = FastAPI(docs_url=None, openapi_url=None, redoc_url=None)
    async with run_server(front) as server:
        app = build_app(
            database,
            FakeRecoveries(),
            public_url=server,
            oidc_issuer=issuer.address,
            oidc_client_id=CLIENT,
            oidc_client_secret=SecretStr(SECRET),
            oidc_roles="operator=payments",
            session_secret=SecretStr("s" * 32),
        )
        front.mount("/", app)
        yield server


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A window that fails on complaints of the browser."""
    context = await browser.new_context()
    page, complaints = await context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert complaints == []


async def test_openid_sign_in_returns_to_the_requested_page(page: Page, address: str) -> None:
    await page.goto(f"{address}/admin/recoveries?q=in_1")
    await page.get_by_role("link", name="Sign in with your account").click()
    await page.wait_for_url(f"{address}/admin/recoveries?q=in_1")
    assert await page.locator(".who .name").inner_text() == "ann"
    assert await page.locator(".who .role").inner_text() == "operator"
    (cookie,) = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/admin")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{address}/admin/login")
    await page.goto(f"{address}/admin/")
    await page.wait_for_url("**/admin/login?**")


async def test_user_without_a_role_sees_the_reason(browser: Browser, address: str, issuer: Issuer) -> None:
    issuer.claims = {"roles": ["strangers"], "preferred_username": "joe"}
    page = await browser.new_page()
    await page.goto(f"{address}/admin/login")
    await page.get_by_role("link", name="Sign in with your account").click()
    await page.get_by_role("alert").filter(has_text="You are signed in as joe, but have no role here.").wait_for()
    await page.goto(f"{address}/admin/recoveries")
    await page.wait_for_url("**/admin/login?**")
    await page.context.close()
