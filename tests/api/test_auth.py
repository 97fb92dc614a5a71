"""API keys: which are refused and when one expires. Scopes are tested in tests/api/admin/test_matrix.py."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from db.repositories import api_keys
from settings import SHIPPED_POLICY
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now, build_app, open_harness
from tests.intake.fakes import unique_id

OPEN = {"/healthz", "/readyz", "/webhooks/{provider}"}
"""Without a key: providers sign, and probes know nothing."""
POLICY = SHIPPED_POLICY.read_text()


def keyed_routes(harness: ApiHarness) -> list[tuple[str, str]]:
    """Every method and path of the OpenAPI document that needs a key."""
    described: dict[str, Any] = harness.app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in described.items() if path not in OPEN for method in methods]


async def request_route(harness: ApiHarness, method: str, path: str, headers: dict[str, str]) -> Any:
    """The response of a route with ids that don't exist."""
    filled = path.replace("{provider}", "stripe").replace("{invoice_id}", "in_none")
    filled = filled.replace("{simulation_id}", "none")
    body = {"reason": "x"} | ({"decision": "reject"} if path.endswith("review") else {})
    body = {"policy": POLICY} if path == "/v1/simulations" else body
    return await harness.client.request(method, filled, headers=headers, json=body if method == "POST" else None)


BAD_HEADERS: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Bearer bootstrap-of-these-test"},
    {"Authorization": "Basic YWRtaW46YWRtaW4="},
    {"Authorization": "Bearer " + "x" * 5000},
    {"Authorization": "Bearer a b c"},
    {"X-Api-Key": "bootstrap-of-these-tests"},
]


@pytest.mark.parametrize("headers", BAD_HEADERS)
async def test_missing_or_invalid_key_is_401(headers: dict[str, str], harness: ApiHarness) -> None:
    for method, path in keyed_routes(harness):
        answer = await request_route(harness, method, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_key_without_the_scope_is_403(harness: ApiHarness) -> None:
    stranger, reader = await harness.create_key("billing:read"), await harness.create_key("recoveries:read")
    for method, path in keyed_routes(harness):
        answer = await request_route(harness, method, path, stranger)
        assert answer.status_code == 403, path
        assert answer.json()["code"] == "forbidden"
        if method == "POST":
            assert (await request_route(harness, method, path, reader)).status_code == 403


async def test_a_key_beyond_ascii_is_just_wrong(harness: ApiHarness) -> None:
    headers = {b"Authorization": "Bearer schlüssel".encode()}
    answer = await harness.client.get("/v1/recoveries", headers=headers)
    assert answer.status_code == 401


async def test_keys_expire_and_are_revoked(harness: ApiHarness) -> None:
    expired = await harness.create_key("recoveries:read", expires_at=app_now() - timedelta(seconds=1))
    assert (await harness.client.get("/v1/recoveries", headers=expired)).status_code == 401
    name = unique_id("key")
    key = await harness.create_key("recoveries:read", name=name)
    assert (await harness.client.get("/v1/recoveries", headers=key)).status_code == 200
    async with harness.db.begin() as session:
        (stored_key,) = [k for k in await api_keys.load_keys(session) if k.name == name]
        assert stored_key.last_used_at
        await api_keys.mark_key_revoked(session, stored_key.prefix, app_now())
    assert (await harness.client.get("/v1/recoveries", headers=key)).status_code == 401


async def test_unset_bootstrap_key_is_refused(harness: ApiHarness) -> None:
    app = build_app(harness.db, harness.recoveries, bootstrap_api_key=SecretStr(""))
    async with open_harness(app, harness.db, harness.recoveries) as closed:
        for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}, ALL_SCOPES):
            assert (await closed.client.get("/v1/recoveries", headers=headers)).status_code == 401


async def test_sender_is_authenticated_before_the_body_is_validated(harness: ApiHarness) -> None:
    answer = await harness.client.post("/v1/recoveries/stripe/in_1/retry", json={"nonsense": 1})
    assert answer.status_code == 401
