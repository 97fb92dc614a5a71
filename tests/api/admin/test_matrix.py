"""Permissions: every API route against every scope, every admin console route against every role.

A route without a line here fails, and so does a line without a route.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import BaseRoute, Mount

from api.admin.sessions import ROOT, Role
from api.auth import Scope
from db.session import Database
from settings import SHIPPED_POLICY
from tests.api.admin.test_login import new_address
from tests.api.admin.visitor import PASSWORD, Visitor, local_users, open_visitor
from tests.api.harness import ALL_SCOPES, ApiHarness, build_app
from tests.intake.fakes import FakeRecoveries

READ, WRITE, SIMULATE = Scope.READ, Scope.WRITE, Scope.SIMULATE
RECOVERY_PATH: Final = "/v1/recoveries/{provider}/{invoice_id}"
SIMULATION_PATH: Final = "/v1/simulations/{simulation_id}"
NO_SCOPE: Final = None
"""For everybody, signed in or not."""

API_SCOPES: dict[str, set[Scope] | None] = {
    # Providers sign; probes know nothing.
    "GET /healthz": NO_SCOPE,
    "GET /readyz": NO_SCOPE,
    "GET /metrics": {Scope.METRICS},
    "POST /webhooks/{provider}": NO_SCOPE,
    "GET /webhooks/{provider}": NO_SCOPE,
    "GET /v1/recoveries": {READ},
    f"GET {RECOVERY_PATH}": {READ},
    f"GET {RECOVERY_PATH}/events": {READ},
    f"POST {RECOVERY_PATH}/retry": {WRITE},
    f"POST {RECOVERY_PATH}/cancel": {WRITE},
    f"POST {RECOVERY_PATH}/pause": {WRITE},
    f"POST {RECOVERY_PATH}/resume": {WRITE},
    f"POST {RECOVERY_PATH}/review": {WRITE},
    "GET /v1/credentials/{fingerprint}": {READ},
    "POST /v1/codec/decode": {Scope.DECODE},
    "GET /v1/summary": {READ},
    "GET /v1/events/schema": {READ},
    "GET /v1/simulations": {READ, SIMULATE},
    "POST /v1/simulations": {SIMULATE},
    f"GET {SIMULATION_PATH}": {READ, SIMULATE},
    f"GET {SIMULATION_PATH}/report": {READ, SIMULATE},
    f"POST {SIMULATION_PATH}/cancel": {SIMULATE},
}
"""Of a set of scopes, one is enough."""

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

CONSOLE_ROLES: dict[str, Role | None] = {
    "GET /login": NO_SCOPE,
    "POST /login": NO_SCOPE,
    "GET /login/start": NO_SCOPE,
    "GET /login/callback": NO_SCOPE,
    "POST /logout": NO_SCOPE,
    "GET /": VIEWER,
    "GET /recoveries": VIEWER,
    "GET /recoveries.csv": VIEWER,
    "POST /recoveries/bulk": OPERATOR,
    "POST /recoveries/bulk/run": OPERATOR,
    "GET /recoveries/{provider}/{invoice_id}": VIEWER,
    "GET /recoveries/{provider}/{invoice_id}/live": VIEWER,
    "POST /recoveries/{provider}/{invoice_id}/{command}": OPERATOR,
    "GET /reviews": VIEWER,
    "POST /reviews/{provider}/{invoice_id}/{command}": OPERATOR,
    "GET /webhooks": VIEWER,
    "GET /webhooks/{provider}/{event_id}": VIEWER,
    "POST /webhooks/{provider}/{event_id}/replay": OPERATOR,
    "GET /credentials": VIEWER,
    "GET /credentials/{provider}/{fingerprint}": VIEWER,
    "GET /messages": VIEWER,
    "GET /messages/letter": VIEWER,
    "GET /audit": VIEWER,
    "GET /sessions": VIEWER,
    "POST /sessions/{session_id}/end": VIEWER,
    "POST /audit/verify": OPERATOR,
    "GET /policies": VIEWER,
    "GET /policies/candidate": VIEWER,
    "POST /policies/candidate": VIEWER,
    "GET /simulations": VIEWER,
    "POST /simulations": OPERATOR,
    "GET /simulations/{simulation_id}": VIEWER,
    "GET /simulations/{simulation_id}/live": VIEWER,
    "GET /simulations/{simulation_id}/report": VIEWER,
    "POST /simulations/{simulation_id}/cancel": OPERATOR,
}
"""The lowest role that may, by the address below /admin."""

IDS: Final = {
    "provider": "stripe", "invoice_id": "in_none", "simulation_id": "none", "fingerprint": "none", "command": "cancel",
    "event_id": "evt_none", "session_id": str(uuid4()),
}  # fmt: skip
"""Of things that don't exist; a path with another name in braces needs a line here."""
FORM: Final = {"reason": "x", "decision": "reject", "policy": SHIPPED_POLICY.read_text()}
"""What forms need at least; each takes what it knows."""
PEOPLE: Final = {"vera": VIEWER, "otto": OPERATOR, "ada": ADMIN}


def method_and_path(line: str) -> tuple[str, str]:
    """The method, and the path with ids filled in."""
    method, _, path = line.partition(" ")
    return method, path.format(**IDS)


def iter_routes(routes: list[BaseRoute], before: str = "") -> Iterator[str]:
    """Every method and path, nested routers included."""
    for route in routes:
        if included := getattr(route, "original_router", None):
            yield from iter_routes(included.routes, before + route.include_context.prefix)  # type: ignore[attr-defined]
        elif not isinstance(route, Mount):
            path: str = before + route.path  # type: ignore[attr-defined]
            yield from (f"{method} {path}" for method in route.methods if method != "HEAD")  # type: ignore[attr-defined]


def admin_app_of(app: FastAPI) -> FastAPI:
    """The application below /admin."""
    admin_app = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == ROOT)
    assert isinstance(admin_app, FastAPI)
    return admin_app


@pytest.fixture
def app(database: Database, recoveries: FakeRecoveries) -> FastAPI:
    """A console with one user per role. It is stopping, so that streams end after their first look."""
    api = build_app(database, recoveries, local_users=SecretStr(local_users(**PEOPLE)))
    api.state.parts.stop_requested.set()
    return api


# --- the API ---------------------------------------------------------------------------------------------------------


def test_every_route_of_the_api_has_a_line(harness: ApiHarness) -> None:
    described: dict[str, Any] = harness.app.openapi()["paths"]
    assert {
        f"{method.upper()} {path}" for path, methods in described.items() for method in methods
    } == API_SCOPES.keys()


def test_which_routes_are_outside_of_openapi(harness: ApiHarness) -> None:
    """For browsers; and for customers, who have a token in the place of a login (tests/api/test_unsubscribe.py)."""
    hidden = set(iter_routes(harness.app.routes)) - API_SCOPES.keys()
    assert hidden == {
        "GET /admin", "GET /docs", "GET /openapi.json",
        "GET /unsubscribe", "POST /unsubscribe", "GET /unsubscribe/{token}", "POST /unsubscribe/{token}",
    }  # fmt: skip


async def call_api(harness: ApiHarness, line: str, headers: dict[str, str]) -> httpx.Response:
    """The response of an API route."""
    method, path = method_and_path(line)
    body: dict[str, str] = {"reason": "x"} | ({"decision": "reject"} if path.endswith("review") else {})
    body = {"policy": FORM["policy"]} if path == "/v1/simulations" else body
    return await harness.client.request(method, path, headers=headers, json=body if method == "POST" else None)


@pytest.mark.parametrize("line", [line for line, needed in API_SCOPES.items() if needed is not NO_SCOPE])
async def test_a_scope_opens_its_routes_and_no_other(line: str, harness: ApiHarness) -> None:
    needed = API_SCOPES[line] or set()
    for scope in Scope:
        answer = await call_api(harness, line, await harness.create_key(scope.value))
        assert (answer.status_code == 403) is (scope not in needed), (scope, answer.text)
        assert scope in needed or answer.json()["code"] == "forbidden"
    assert (await call_api(harness, line, ALL_SCOPES)).status_code in {200, 202, 404}
    response = await call_api(harness, line, {})
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("line", [line for line, needed in API_SCOPES.items() if needed is NO_SCOPE])
async def test_an_open_route_needs_no_key(line: str, harness: ApiHarness) -> None:
    assert (await call_api(harness, line, {})).status_code not in {401, 403}


# --- the admin console ------------------------------------------------------------------------------------------------


def test_every_route_of_the_console_has_a_line(app: FastAPI) -> None:
    assert set(iter_routes(admin_app_of(app).routes)) == CONSOLE_ROLES.keys()


async def request_page(visitor: Visitor, line: str) -> httpx.Response:
    """The response of an admin console route, with the session's token."""
    method, path = method_and_path(line)
    if method == "GET":
        return await visitor.get_page(f"{ROOT}{path}")
    return await visitor.post_form(f"{ROOT}{path}", **FORM)


def is_redirected_to_sign_in(answer: httpx.Response) -> bool:
    """Whether the response redirects to the sign-in page."""
    return answer.status_code == 303 and answer.headers["location"].startswith(f"{ROOT}/login?")


@pytest.mark.parametrize("line", [line for line, role in CONSOLE_ROLES.items() if role is not NO_SCOPE])
async def test_a_role_opens_its_pages_and_no_other(line: str, app: FastAPI) -> None:
    lowest = CONSOLE_ROLES[line]
    assert lowest
    async with open_visitor(app, address=new_address()) as anonymous:
        assert is_redirected_to_sign_in(await request_page(anonymous, line))
    for name, role in PEOPLE.items():
        async with open_visitor(app, address=new_address()) as visitor:
            await visitor.sign_in(name, PASSWORD)
            answer = await request_page(visitor, line)
        assert (answer.status_code == 403) is (role.rank < lowest.rank), (role, answer.text)
        assert not is_redirected_to_sign_in(answer)
        assert answer.status_code < 500, answer.text
        assert answer.status_code != 403 or f"needs the role {lowest.value}" in answer.text


@pytest.mark.parametrize("line", [line for line, role in CONSOLE_ROLES.items() if role is NO_SCOPE])
async def test_public_page_needs_no_session(line: str, app: FastAPI) -> None:
    async with open_visitor(app, address=new_address()) as visitor:
        assert not is_redirected_to_sign_in(await request_page(visitor, line))


FORMS: Final = [line for line in CONSOLE_ROLES if line.startswith("POST ")]


@pytest.mark.parametrize("line", FORMS)
async def test_a_form_without_the_token_of_its_session_is_refused(line: str, app: FastAPI) -> None:
    _, path = method_and_path(line)
    async with open_visitor(app, address=new_address()) as visitor, open_visitor(app, address=new_address()) as other:
        await visitor.sign_in("ada", PASSWORD)
        await other.sign_in("ada", PASSWORD)
        own_token = await visitor.read_form_token()
        for token in (
            {},
            {"token": ""},
            {"token": "wrong"},
            {"token": await other.read_form_token()},
            {"token": own_token[:-1]},
        ):
            answer = await visitor.client.post(f"{ROOT}{path}", data=FORM | token)
            assert (answer.status_code, "out of date" in answer.text) == (403, True), token
        assert await visitor.is_signed_in()
        assert (await visitor.client.post(f"{ROOT}{path}", data=FORM | {"token": own_token})).status_code != 403


async def test_form_token_from_before_the_sign_in_is_refused_after_it(app: FastAPI) -> None:
    async with open_visitor(app, address=new_address()) as visitor:
        before = await visitor.read_form_token()
        await visitor.sign_in("ada", PASSWORD)
        answer = await visitor.client.post(f"{ROOT}/logout", data={"token": before})
        assert answer.status_code == 403
        assert await visitor.is_signed_in()
