"""Keys: what is none, when one ends. Which scope opens what: tests/api/admin/test_matrix.py."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from db.repositories import api_keys
from settings import SHIPPED_POLICY
from tests.api.house import ALL, House, application, now, opened
from tests.intake.fakes import unique

OPEN = {"/healthz", "/readyz", "/metrics", "/webhooks/{provider}"}
"""Without a key: providers sign, and probes and scrapers know nothing."""
POLICY = SHIPPED_POLICY.read_text()


def routes(house: House) -> list[tuple[str, str]]:
    """Every method and path of the description that needs a key."""
    described: dict[str, Any] = house.app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in described.items() if path not in OPEN for method in methods]


async def reach(house: House, method: str, path: str, headers: dict[str, str]) -> Any:
    """The response of a route with ids that don't exist."""
    filled = path.replace("{provider}", "stripe").replace("{invoice_id}", "in_none")
    filled = filled.replace("{simulation_id}", "none")
    sent = {"reason": "x"} | ({"decision": "reject"} if path.endswith("review") else {})
    sent = {"policy": POLICY} if path == "/v1/simulations" else sent
    return await house.client.request(method, filled, headers=headers, json=sent if method == "POST" else None)


BAD: list[dict[str, str]] = [
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


@pytest.mark.parametrize("headers", BAD)
async def test_without_a_usable_key_it_is_401(headers: dict[str, str], house: House) -> None:
    for method, path in routes(house):
        answer = await reach(house, method, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_key_beyond_ascii_is_just_wrong(house: House) -> None:
    headers = {b"Authorization": "Bearer schlüssel".encode()}
    answer = await house.client.get("/v1/recoveries", headers=headers)
    assert answer.status_code == 401


async def test_keys_expire_and_are_revoked(house: House) -> None:
    expired = await house.key("recoveries:read", expires_at=now() - timedelta(seconds=1))
    assert (await house.client.get("/v1/recoveries", headers=expired)).status_code == 401
    name = unique("key")
    key = await house.key("recoveries:read", name=name)
    assert (await house.client.get("/v1/recoveries", headers=key)).status_code == 200
    async with house.db.begin() as session:
        (known,) = [k for k in await api_keys.listed(session) if k.name == name]
        assert known.last_used_at
        await api_keys.revoke(session, known.prefix, now())
    assert (await house.client.get("/v1/recoveries", headers=key)).status_code == 401


async def test_an_unset_bootstrap_key_opens_nothing(house: House) -> None:
    app = application(house.db, house.recoveries, bootstrap_api_key=SecretStr(""))
    async with opened(app, house.db, house.recoveries) as closed:
        for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}, ALL):
            assert (await closed.client.get("/v1/recoveries", headers=headers)).status_code == 401


async def test_a_body_is_not_judged_before_its_sender(house: House) -> None:
    answer = await house.client.post("/v1/recoveries/stripe/in_1/retry", json={"nonsense": 1})
    assert answer.status_code == 401
