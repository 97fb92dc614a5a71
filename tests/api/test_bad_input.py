"""Bad input to every operation: no unexpected error, and no answer that the OpenAPI description doesn't have."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from api.admin.app import PAGE_MODULES
from api.admin.list_query import QUERY_NAMES
from api.auth import Scope
from settings import SHIPPED_POLICY
from tests.api.admin.conftest import console
from tests.api.admin.console import AdminBrowser
from tests.api.bad_input import BadRequest, Operation, bad_requests, encode, list_operations, values_of
from tests.api.harness import ALL_SCOPES, ApiHarness, failed_event, sign_headers
from tests.intake.fakes import unique_id

__all__ = ["console"]

GOOD_BODIES: Final[dict[str, dict[str, Any]]] = {
    "/review": {"decision": "approve", "reason": "x"},
    "/v1/simulations": {"policy": SHIPPED_POLICY.read_text()},
}
UNDECLARED: Final = {
    "/recoveries": QUERY_NAMES,
    "/recoveries.csv": QUERY_NAMES,
    "/messages": ("kind", "cause", "language", "amount", "currency"),
    "/messages/letter": ("kind", "cause", "language", "amount", "currency"),
}
"""Parameters of pages that read the address themselves."""


def declared_parameters() -> dict[str, list[str]]:
    """The query parameters of every page without parameters in its path, by path below /admin."""
    routes = [route for module in PAGE_MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    pages = [route for route in routes if "GET" in (route.methods or ()) and "{" not in route.path]
    return {page.path: [one.alias for one in page.dependant.query_params] for page in pages}


def page_queries(page: str) -> Iterator[str]:
    """Queries with one bad value each; a page that reads the address itself gets it in all parameters at once."""
    yield from (f"{name}={encode(text)}" for name in declared_parameters()[page] for text in values_of(name))
    if names := UNDECLARED.get(page):
        yield from ("&".join(f"{name}={encode(text)}" for name in names) for text in values_of(""))


async def seed_recovery(harness: ApiHarness) -> dict[str, str]:
    """Parameters of paths that lead to something."""
    invoice = unique_id("in_bad")
    assert (await harness.send_event(failed_event(invoice))).status_code == 202
    # A key of its own, since the dry runs of one key are limited.
    key = await harness.create_key(Scope.SIMULATE, name=unique_id("key"))
    begun = await harness.client.post("/v1/simulations", headers=key, json={"policy": SHIPPED_POLICY.read_text()})
    return {"provider": "stripe", "invoice_id": invoice, "simulation_id": begun.json()["id"], "fingerprint": "fp_1"}


async def send(harness: ApiHarness, method: str, bad: BadRequest) -> int:
    """The status of the answer."""
    headers = {name.encode(): value.encode("latin-1") for name, value in (ALL_SCOPES | bad.headers).items()}
    if bad.path == "/webhooks/stripe" and bad.body:
        headers |= {name.encode(): value.encode() for name, value in sign_headers(bad.body).items()}
    answer = await harness.client.request(method, bad.path, content=bad.body, headers=headers)
    if answer.status_code >= 400 and answer.status_code != 404:
        assert len(answer.content) < 20_000
    return answer.status_code


@pytest.mark.parametrize("operation", list_operations(), ids=lambda operation: operation.name)
async def test_bad_input_gets_a_described_answer(harness: ApiHarness, operation: Operation) -> None:
    known = await seed_recovery(harness)
    body = next((one for end, one in GOOD_BODIES.items() if operation.path.endswith(end)), {"reason": "x"})
    answers = [(await send(harness, operation.method, bad), bad) for bad in bad_requests(operation, known, body)]
    await harness.wait_until_idle()
    wrong = {(status, bad.label) for status, bad in answers if status not in operation.statuses or status == 500}
    assert not wrong


@pytest.mark.parametrize("page", sorted(declared_parameters()))
async def test_bad_addresses_of_pages_get_a_page(console: AdminBrowser, page: str) -> None:
    cookies = await console.sign_in_as().cookie_header()
    wrong = []
    for query in page_queries(page):
        answer = await console.harness.client.get(f"/admin{page}?{query}", headers=cookies)
        wrong += [(answer.status_code, query[:200])] if answer.status_code >= 500 else []
    assert not wrong
