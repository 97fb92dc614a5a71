"""Invalid input to the API: a clear problem, nothing lost, nothing half-written."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from sandbox.models import Delivery
from sandbox.stripe.webhooks import sign_stripe_payload
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import RunningService

together = ConcurrentTests()
WAIT_FOR_DELIVERY = Delivery(wait=True, retry=False)


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Asserts an RFC 9457 problem with a sentence and without internals."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "instance", "code"}
    assert problem["detail"]
    assert "Traceback" not in answer.text


def stripe_event(**changes: Any) -> dict[str, Any]:
    """A Stripe event without an object."""
    fields = {"object": "event", "id": f"evt_bad_{time.monotonic_ns()}", "type": "invoice.payment_failed"}
    return fields | {"created": int(time.time()), "livemode": False, "data": {"object": {}}} | changes


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"object": "charge"}', b'{"a": NaN}', b"[" * 100_000],
    ids=["empty", "broken", "list", "text", "null", "no utf-8", "no event", "NaN", "deep"],
)
async def test_body_that_is_no_event_is_refused(service: RunningService, body: bytes) -> None:
    assert_problem(await service.post_webhook(body), 400)


async def test_invalid_signatures_are_refused(service: RunningService) -> None:
    body = json.dumps(stripe_event()).encode()
    secret, now = service.endpoints.secret, int(time.time())
    headers: list[str | bytes] = [
        "",
        "nonsense",
        "t=1,v1=é".encode(),
        sign_stripe_payload(body, "whsec_other", now),
        sign_stripe_payload(b"{}", secret, now),
        sign_stripe_payload(body, secret, now - 3600),
        sign_stripe_payload(body, secret, now + 3600),
    ]
    for signature in headers:
        assert_problem(await service.post_webhook(body, signature), 400)


async def test_oversized_bodies_and_unknown_routes_are_refused(service: RunningService) -> None:
    assert_problem(await service.post_webhook(b'{"a": "' + b"x" * (1 << 20) + b'"}'), 413)
    assert_problem(await service.api.post("/webhooks/nobody", content=b"{}"), 404)
    assert_problem(await service.api.get("/webhooks/stripe"), 405)
    assert_problem(await service.api.get("/v1/nowhere"), 404)
    assert_problem(await service.api.get("/v1/recoveries/stripe/in_unknown"), 404)
    assert_problem(await service.api.get("/v1/recoveries/stripe/in_unknown/events"), 404)
    for action in ("retry", "cancel", "pause", "resume"):
        assert_problem(await service.api.post(f"/v1/recoveries/stripe/in_unknown/{action}", json={"reason": "x"}), 404)


@together
async def test_invalid_commands_are_refused(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    before = await recovery.fetch_event_types()
    bodies: list[Any] = [None, [], "x", {}, {"reason": ""}, {"reason": 5}, {"reason": "x", "more": 1},
                         {"reason": "x" * 501}]  # fmt: skip
    for body in bodies:
        assert_problem(await service.api.post(f"{recovery.path}/retry", json=body), 422)
    assert_problem(await service.api.post(f"{recovery.path}/retry", content=b"{"), 422)
    assert_problem(await service.api.post(f"{recovery.path}/review", json={"decision": "maybe"}), 422)
    assert_problem(await service.api.get("/v1/recoveries", params={"limit": 201}), 422)
    assert_problem(await service.api.get("/v1/recoveries", params={"cursor": "nonsense"}), 422)
    assert await recovery.fetch_event_types() == before
    await recovery.submit_command("cancel")
    await recovery.wait_for_unpaid_end("canceled")


async def test_events_of_unknown_type_or_shape_are_kept_with_a_reason(service: RunningService) -> None:
    bodies = [
        stripe_event(type="invoice.invented"),
        stripe_event(type="charge.failed"),
        stripe_event(data={"object": {"id": "in_1", "object": "invoice", "attempt_count": "many"}}),
        stripe_event(data={"object": {"id": 17, "object": "invoice"}}),
        stripe_event(data={"object": {"id": "in_" + "x" * 300, "object": "invoice", "attempt_count": 1}}),
        stripe_event(data={"object": None}),
        stripe_event(data=[]),
        stripe_event(created="yesterday"),
        stripe_event(livemode=True),
    ]
    for body in bodies:
        first = await service.post_webhook(body)
        assert (first.status_code, first.json()["status"]) == (202, "ignored"), (body, first.text)
        assert first.json()["reason"], body
        again = await service.post_webhook(body)
        assert (again.status_code, again.json()["status"]) == (202, "duplicate"), again.text
        assert again.json()["reason"] == first.json()["reason"]


@together
async def test_an_event_about_an_invoice_that_never_failed_is_kept_with_a_reason(service: RunningService) -> None:
    paid = stripe_event(type="invoice.paid", data={"object": {"id": "in_nobody", "object": "invoice"}})
    assert (await service.post_webhook(paid)).status_code == 202
    for _ in range(30):
        if (response := (await service.post_webhook(paid)).json())["reason"]:
            break
        await asyncio.sleep(1)
    assert (response["status"], response["reason"]) == ("duplicate", "no recovery for this invoice")
    assert (await service.api.get("/v1/recoveries/stripe/in_nobody")).status_code == 404


@together
async def test_invoice_unknown_to_the_provider(service: RunningService) -> None:
    invoice = f"in_missing_{time.monotonic_ns()}"
    invoice_fields = {"id": invoice, "object": "invoice", "customer": "cus_x", "attempt_count": 1, "amount_due": 500,
            "amount_remaining": 500, "currency": "usd", "status": "open"}  # fmt: skip
    answer = await service.post_webhook(stripe_event(data={"object": invoice_fields}))
    assert (answer.status_code, answer.json()["recovery_id"]) == (202, f"recovery-stripe-{invoice}")
    view = await service.api.get(f"/v1/recoveries/stripe/{invoice}")
    assert (view.status_code, view.json()["invoice_id"]) == (200, invoice)
    recovery = service.recovery_of(invoice)
    await recovery.wait_for_event("failure.classified")
    assert (await recovery.fetch_view())["category"] == "REVIEW"
    await recovery.submit_command("retry")
    (skipped,) = await recovery.wait_for_event("retry.skipped")
    assert skipped["data"]["reason"] == "invoice_missing"
    assert (await recovery.fetch_view())["state"] == "in_review"
    assert await recovery.fetch_pay_calls() == []
    assert (await recovery.submit_command("cancel")).status_code == 200
    await recovery.wait_for_unpaid_end("canceled")


@together
async def test_malformed_provider_answers(service: RunningService) -> None:
    recovery = await service.create_unreported_failure("insufficient_funds")
    await service.sandbox.add_fault(f"/v1/invoices/{recovery.invoice}", "malformed", times=1)
    await service.sandbox.set_script(recovery.invoice, "malformed")
    await recovery.send_event("invoice.payment_failed", delivery=WAIT_FOR_DELIVERY)
    await recovery.wait_for_one_payment()


async def test_recovery_is_visible_once_its_webhook_was_answered(service: RunningService) -> None:
    for _ in range(5):
        recovery = await service.create_failure("card_velocity_exceeded")
        assert (await service.api.get(recovery.path)).status_code == 200
        assert (await service.api.get(f"{recovery.path}/events")).status_code == 200
        assert (await recovery.submit_command("cancel")).status_code in (200, 202)
        await recovery.wait_for_unpaid_end("canceled")


async def test_every_route_needs_a_key(service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    async with httpx.AsyncClient(base_url=service.endpoints.api, trust_env=False) as client:
        assert_problem(await client.get(recovery.path), 401)
        assert_problem(await client.post(f"{recovery.path}/cancel", json={"reason": "x"}), 401)
    await recovery.submit_command("cancel")
    await recovery.wait_for_unpaid_end("canceled")
