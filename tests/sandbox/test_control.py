"""What the control side of every fake has in common."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox.app import create_sandbox_app

PREFIXES = {"stripe": "/_control", "adyen": "/_control/adyen", "braintree": "/_control/braintree"}
COMMON = {
    ("/send_raw", "post"), ("/webhook_endpoint", "post"), ("/idle", "post"), ("/faults", "post"),
    ("/faults", "delete"), ("/clock", "post"), ("/log", "get"), ("/ledger", "get"),
}  # fmt: skip
CALLS = {
    "stripe": ("/v1/invoices", {"Authorization": "Bearer sk_test_sandbox"}),
    "adyen": ("/adyen/v72/payments", {"X-API-Key": "AQEsandbox"}),
    "braintree": ("/braintree/merchants/sandbox_merchant/customers/cus_1", {"Authorization": "Basic eDp5"}),
}
"""A call that each fake takes as far as the faults."""
ERRORS = {
    "stripe": ("application/json", {"error"}),
    "adyen": ("application/json", {"status", "errorCode", "message", "errorType"}),
    "braintree": ("application/xml", set()),
}
"""Type and fields of an error's body."""


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A sandbox without a port."""
    transport = httpx.ASGITransport(create_sandbox_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
async def test_every_fake_has_the_common_routes(http: httpx.AsyncClient, prefix: str) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    found = {(path, method) for path, methods in paths.items() for method in methods}
    assert {(f"{prefix}{path}", method) for path, method in COMMON} <= found


@pytest.mark.parametrize("name", PREFIXES)
async def test_a_fault_is_answered_in_the_providers_own_format(http: httpx.AsyncClient, name: str) -> None:
    path, headers = CALLS[name]
    fault = {"path": path, "method": "*", "outcome": "error:503:7"}
    assert len((await http.post(f"{PREFIXES[name]}/faults", json=fault)).json()) == 1
    answer = await http.request("POST" if name == "adyen" else "GET", path, headers=headers, json=None)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert (answer.headers["content-type"], set(answer.json() if answer.content else {})) == ERRORS[name]
    (logged,) = (await http.get(f"{PREFIXES[name]}/log")).json()
    assert logged["outcome"] == "fault error:503:7"


async def test_clock_and_faults_are_one_for_all_fakes(http: httpx.AsyncClient) -> None:
    now = (await http.post("/_control/clock", json={"advance": 3600})).json()["now"]
    assert (await http.post("/_control/adyen/clock", json={})).json()["now"] >= now
    await http.post("/_control/braintree/faults", json={"path": "/v1/*"})
    assert (await http.delete("/_control/adyen/faults")).json() == []
    assert (await http.get("/v1/invoices", headers=CALLS["stripe"][1])).status_code == 200
