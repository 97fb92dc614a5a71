"""Reading recoveries: fields, filters, pages, logs and arbitrary ids."""

from typing import Any
from urllib.parse import quote

import pytest

from core.events import Event, EventType
from tests.api.harness import ALL_SCOPES, ApiHarness
from tests.intake.fakes import NOW, canceled_event, failure_event, store_recovery, unique_id

FIELDS = {
    "recovery_id", "workflow_id", "provider", "invoice_id", "customer_id", "amount", "currency", "state", "category",
    "cause", "segment", "strategy", "policy_version", "experiment", "arm",
    "attempts_used", "attempts_allowed", "next_attempt_at", "opened_at", "closed_at",
    "temporal_url",
}  # fmt: skip
"""Of the contract."""


async def get_json(harness: ApiHarness, path: str, **query: Any) -> Any:
    """The JSON body of a route that answers with 200."""
    answer = await harness.client.get(f"/v1/recoveries{path}", headers=ALL_SCOPES, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_one_recovery_has_the_fields_of_the_contract(harness: ApiHarness) -> None:
    invoice, customer = unique_id("in"), unique_id("cus")
    classified = Event(
        type=EventType.FAILURE_CLASSIFIED, occurred_at=NOW, data={"category": "SOFT_DECLINE", "cause": "GENERIC"}
    )
    await store_recovery(harness.db, failure_event(invoice, customer_id=customer), classified)
    body = await get_json(harness, f"/stripe/{invoice}")
    assert set(body) >= FIELDS
    assert body["recovery_id"] == body["workflow_id"] == f"recovery-stripe-{invoice}"
    assert (body["state"], body["category"], body["cause"]) == ("classified", "SOFT_DECLINE", "GENERIC")
    assert (body["amount"], body["currency"], body["customer_id"]) == (500, "EUR", customer)
    assert body["opened_at"] == "2026-09-01T12:00:00Z"
    assert body["temporal_url"] == f"http://temporal.test/namespaces/default/workflows/recovery-stripe-{invoice}"


async def test_the_log_comes_in_order_with_its_hashes(harness: ApiHarness) -> None:
    invoice = unique_id("in")
    await store_recovery(harness.db, failure_event(invoice), canceled_event())
    items = (await get_json(harness, f"/stripe/{invoice}/events"))["items"]
    assert [(row["sequence"], row["type"]) for row in items] == [
        (1, "payment.failed"),
        (2, "operator.cancel_requested"),
        (3, "recovery.closed"),
    ]
    assert [row["to_state"] for row in items] == ["received", "received", "canceled"]
    assert items[1]["previous_hash"] == items[0]["hash"]
    assert items[1]["data"] == {"actor": "ann", "reason": "enough"}
    assert items[0]["occurred_at"] == "2026-09-01T12:00:00Z"


ODD_IDS = ("a/b", "a%2Fb", "SUB-2026-09-01", "ä ö", "a?b#c", "events", "x/events", "a+b", "..", "%", "'; DROP TABLE")


@pytest.mark.parametrize("invoice_id", ODD_IDS)
async def test_an_id_may_hold_anything(invoice_id: str, harness: ApiHarness) -> None:
    invoice = f"{unique_id('in')}{invoice_id}" if invoice_id not in {"..", "events"} else invoice_id
    await store_recovery(harness.db, failure_event(invoice))
    encoded = quote(invoice, safe="").replace(".", "%2E")
    assert (await get_json(harness, f"/stripe/{encoded}"))["invoice_id"] == invoice
    assert (await get_json(harness, f"/stripe/{encoded}/events"))["items"][0]["invoice_id"] == invoice


@pytest.mark.parametrize(
    "path", ["/stripe/in_none", "/stripe/in_none/events", "/nobody/in_1", "/stripe/%00", "/stripe/%FF"]
)
async def test_unknown_recovery_is_404(path: str, harness: ApiHarness) -> None:
    answer = await harness.client.get(f"/v1/recoveries{path}", headers=ALL_SCOPES)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_filters_narrow_and_combine(harness: ApiHarness) -> None:
    customer = unique_id("cus")
    first, second = unique_id("in"), unique_id("in")
    await store_recovery(harness.db, failure_event(first, customer_id=customer))
    await store_recovery(harness.db, failure_event(second, customer_id=customer), canceled_event())

    async def matching_invoices(**query: Any) -> list[str]:
        return sorted(item["invoice_id"] for item in (await get_json(harness, "", **query))["items"])

    assert await matching_invoices(customer_id=customer) == sorted([first, second])
    assert await matching_invoices(customer_id=customer, state="canceled") == [second]
    assert await matching_invoices(customer_id=customer, provider="adyen") == []
    assert await matching_invoices(customer_id=customer, category="HARD_DECLINE") == []
    assert await matching_invoices(customer_id=customer, segment="vip") == []
    assert await matching_invoices(q=first) == [first]
    assert await matching_invoices(q=customer) == sorted([first, second])
    assert await matching_invoices(q="%", customer_id=customer) == []


async def test_pages_hold_everything_once(harness: ApiHarness) -> None:
    customer = unique_id("cus")
    invoices = [unique_id("in") for _ in range(7)]
    for invoice in invoices:
        await store_recovery(harness.db, failure_event(invoice, customer_id=customer))
    items, cursor = [], None
    while True:
        query = {"customer_id": customer, "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = await get_json(harness, "", **query)
        items += [item["invoice_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(items) == sorted(invoices)
    assert len(items) == 7


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": 201}, {"limit": "x"}, {"state": "happy"}, {"category": "SOFT"}, {"cursor": "nonsense"},
        {"cursor": "x" * 2000}, {"q": "a\x00b"}, {"q": "x" * 300}, {"q": ""},
    ],
)  # fmt: skip
async def test_invalid_query_is_explained(query: dict[str, Any], harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/recoveries", headers=ALL_SCOPES, params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in {"invalid_request", "invalid_input"}
