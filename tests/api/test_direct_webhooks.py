"""Webhooks that are answered before all other middleware get the same limits, headers and metrics."""

import json

import pytest

from api.middleware import MAX_BODY
from api.webhook_store import WebhookStore
from api.webhooks import ROUTE
from tests.api.harness import ApiHarness, sign_headers
from tests.intake.fakes import unique_id


def event_body() -> bytes:
    return json.dumps({"id": unique_id("evt"), "object": "event", "type": "x.y", "created": 1_700_000_000}).encode()


def answered(harness: ApiHarness, status: int) -> float:
    """How many webhooks were answered so, by the metric of latencies."""
    labels = {"method": "POST", "route": ROUTE, "status": str(status)}
    registry = harness.app.state.parts.metrics.registry
    return registry.get_sample_value("pri_http_request_seconds_count", labels) or 0.0


@pytest.mark.parametrize(("body", "signed", "status"), [
    (event_body(), True, 202), (event_body(), False, 400), (b"{", True, 400), (b"x" * (MAX_BODY + 1), True, 413),
])  # fmt: skip
async def test_each_answer_has_the_security_headers_and_is_counted(
    body: bytes, signed: bool, status: int, harness: ApiHarness
) -> None:
    answer = await harness.post_webhook(body, None if signed else {})
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answered(harness, status) == 1


@pytest.mark.parametrize("path", ["/webhooks/%73tripe", "/webhooks/stripe?source=1"])
async def test_another_spelling_of_the_address_means_the_same(path: str, harness: ApiHarness) -> None:
    body = event_body()
    answer = await harness.client.post(path, content=body, headers=sign_headers(body))
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert answered(harness, 202) == 1


async def test_an_unexpected_error_is_a_problem_without_details(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raise_bug(*_: object) -> None:
        raise ZeroDivisionError("inner workings")

    monkeypatch.setattr(WebhookStore, "store", raise_bug)
    answer = await harness.post_webhook(event_body())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "inner workings" not in answer.text
    assert answered(harness, 500) == 1
