"""Answers to providers' webhooks; nothing that was answered with 2xx is lost."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from core.errors import RecoveryError
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from db.recovery_log import StoredRecoveryLog
from db.repositories import inbox
from db.session import Database
from intake.relay import run_relay
from sandbox.models import Shape
from tests.api.harness import (
    ALL_SCOPES,
    ApiHarness,
    app_now,
    build_app,
    failed_event,
    open_harness,
    sign_headers,
    stripe_event,
)
from tests.intake.fakes import TEMPORAL_AWAY, FakeRecoveries, failure_event, store_recovery, unique_id


async def inbox_row(harness: ApiHarness, event: dict[str, Any]) -> inbox.StoredWebhook:
    """The inbox row of this event."""
    async with harness.db.begin() as session:
        row = await inbox.load_webhook(session, "stripe", event["id"])
    assert row
    return row


@pytest.mark.parametrize("shape", list(Shape))
async def test_a_failure_starts_a_recovery(shape: Shape, harness: ApiHarness) -> None:
    invoice = unique_id("in")
    event = failed_event(invoice, shape=shape)
    answer = await harness.send_event(event)
    name = recovery_id("stripe", invoice)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "recovery_id": name, "reason": None})
    assert [event.invoice_id for event in harness.recoveries.started_events] == [invoice]
    row = await inbox_row(harness, event)
    assert (row.outcome, row.recovery_id) == ("accepted", name)


async def test_what_a_run_took_is_delivered_once_the_log_shows_it(harness: ApiHarness) -> None:
    log, harness.recoveries.log = harness.recoveries.log, None
    event = failed_event(unique_id("in"))
    await harness.send_event(event)
    assert len(harness.recoveries.started_events) == 1
    assert (await inbox_row(harness, event)).delivered_at is None, "that run may be lost before it writes a row"
    harness.recoveries.log = log
    for minutes in (1, 2):
        await run_relay(harness.db, harness.recoveries, {}, app_now() + timedelta(minutes=minutes), 50)
    assert (await inbox_row(harness, event)).outcome == "accepted"


async def test_a_hundred_copies_start_one_recovery(harness: ApiHarness) -> None:
    event = failed_event(unique_id("in"))
    turns = asyncio.Semaphore(50)

    async def send_copy() -> str:
        async with turns:
            answer = await harness.send_event(event)
        assert answer.status_code == 202
        assert answer.json()["recovery_id"] == recovery_id("stripe", event["data"]["object"]["id"])
        return str(answer.json()["status"])

    statuses = await asyncio.gather(*(send_copy() for _ in range(100)))
    assert sorted(statuses) == ["accepted"] + ["duplicate"] * 99
    assert len(harness.recoveries.started_events) == 1


async def test_an_event_for_a_running_recovery_is_signalled_to_it(harness: ApiHarness) -> None:
    opened_by = failure_event(unique_id("in"))
    name = (await store_recovery(harness.db, opened_by)).recovery_id
    harness.recoveries.running.add(name)
    answer = await harness.send_event(
        stripe_event("invoice.paid", id=opened_by.invoice_id, object="invoice", currency="eur")
    )
    assert answer.json() == {"status": "accepted", "recovery_id": None, "reason": None}
    assert [(name, event.kind) for name, event in harness.recoveries.signalled_events] == [
        (name, EventKind.INVOICE_PAID)
    ]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (stripe_event("customer.created", id="cus_1", object="customer"), "event type not used"),
        (stripe_event("invoice.paid", id=17, object="invoice"), "unfit: data.object.id"),
        (stripe_event("invoice.paid"), "unfit: data.object"),
        (stripe_event("never.heard.of", id="x"), "event type not used"),
        (failed_event("in_live", livemode=True), "live event for a test key"),
    ],
)
async def test_event_without_effect_is_stored_with_its_reason(
    event: dict[str, Any], reason: str, harness: ApiHarness
) -> None:
    event = event | {"id": unique_id("evt")}
    answer = await harness.send_event(event)
    assert (answer.status_code, answer.json()) == (202, {"status": "ignored", "recovery_id": None, "reason": reason})
    row = await inbox_row(harness, event)
    assert (row.outcome, row.reason) == ("ignored", reason)
    repeated = await harness.send_event(event)
    assert repeated.json() == {"status": "duplicate", "recovery_id": None, "reason": reason}


async def test_event_of_a_foreign_invoice_is_accepted_and_ignored_behind_the_answer(harness: ApiHarness) -> None:
    event = stripe_event("invoice.paid", id=unique_id("in_unknown"), object="invoice")
    assert (await harness.send_event(event)).json() == {"status": "accepted", "recovery_id": None, "reason": None}
    row = await inbox_row(harness, event)
    assert (row.outcome, row.reason) == ("ignored", "no recovery for this invoice")


HOSTILE = {
    "no JSON": b"{",
    "an empty body": b"",
    "a list": b"[]",
    "a number": b"17",
    "null": b"null",
    "not an event": b'{"object": "invoice", "id": "in_1"}',
    "no id": b'{"object": "event", "type": "invoice.paid", "data": {}}',
    "an id that is no text": b'{"object": "event", "id": {"a": 1}, "type": "invoice.paid", "data": {}}',
    "deep nesting": b'{"object": "event", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a huge number": b'{"object": "event", "id": ' + b"9" * 5000 + b"}",
    "NaN": b'{"object": "event", "id": NaN}',
    "no UTF-8": b'{"object": "event", "id": "\xff\xfe"}',
    "a huge id": json.dumps(stripe_event("invoice.paid", id="in_1") | {"id": "evt_" + "x" * 3000}).encode(),
}


@pytest.mark.parametrize("name", list(HOSTILE))
async def test_body_that_is_no_event_is_400(name: str, harness: ApiHarness) -> None:
    answer = await harness.post_webhook(HOSTILE[name])
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], problem["instance"]) == ("invalid_webhook", 400, "/webhooks/stripe")


ODD_EVENTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "NUL in the type": lambda e: e | {"type": "a\x00b"},
    "half a surrogate in the type": lambda e: e | {"type": "a\ud800b"},
    "NUL in the invoice's id": lambda e: e["data"]["object"].update(id="in\x00_1"),
    "half a surrogate in the invoice's id": lambda e: e["data"]["object"].update(id="in\ud800_1"),
    "a huge invoice id": lambda e: e["data"]["object"].update(id="in_" + "x" * 5000),
    "a float for money": lambda e: e["data"]["object"].update(amount_remaining=1.5),
    "money beyond all bounds": lambda e: e["data"]["object"].update(amount_remaining=10**30),
    "an attempt that is a list": lambda e: e["data"]["object"].update(attempt_count=[1]),
    "a time beyond time": lambda e: e | {"created": 10**18},
    "no data": lambda e: e | {"data": None},
    "data that is text": lambda e: e | {"data": "no"},
    "a NUL where nobody looks": lambda e: e["data"]["object"].update(description="\x00"),
}


@pytest.mark.parametrize("name", list(ODD_EVENTS))
async def test_malformed_event_is_stored_or_refused(name: str, harness: ApiHarness) -> None:
    event = failed_event(unique_id("in"))
    event = ODD_EVENTS[name](event) or event
    answer = await harness.post_webhook(json.dumps(event).encode())
    assert answer.status_code in {202, 400}, answer.text
    if answer.status_code == 202:
        row = await inbox_row(harness, event)
        assert row.outcome == "accepted" or row.reason


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "header is missing"),
        ({"Stripe-Signature": ""}, "header is missing"),
        ({"Stripe-Signature": "nonsense"}, "not of the form"),
        ({"Stripe-Signature": "t=1,v1=\u00fc".encode("latin-1")}, "ASCII"),
        (lambda body: sign_headers(body, "whsec_other"), "No signature matches"),
        (lambda body: sign_headers(body, at=time.time() - 301), "five minutes"),
        (lambda body: sign_headers(body, at=time.time() + 400), "five minutes"),
        (lambda body: sign_headers(body + b" "), "No signature matches"),
    ],
)
async def test_unverified_webhook_is_refused(headers: Any, reason: str, harness: ApiHarness) -> None:
    event = failed_event(unique_id("in"))
    body = json.dumps(event).encode()
    answer = await harness.post_webhook(body, headers(body) if callable(headers) else headers)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert "whsec" not in answer.text
    async with harness.db.begin() as session:
        assert await inbox.load_webhook(session, "stripe", event["id"]) is None


@pytest.mark.parametrize(
    "path", ["/webhooks/off", "/webhooks/unknown", "/webhooks/", "/webhooks/%00", "/webhooks/a%2Fb"]
)
async def test_unconfigured_provider_is_404(path: str, harness: ApiHarness) -> None:
    answer = await harness.client.post(path, content=b"{}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_batch_has_an_item_for_each_event(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Adyen sends batches."""
    old = failure_event(unique_id("in"))
    news = (
        old,
        failure_event(unique_id("in")),
        ProviderEvent(**dict(old) | {"event_id": unique_id("evt"), "kind": EventKind.OTHER}),
    )
    hooks = harness.app.state.parts.webhooks["stripe"]
    monkeypatch.setattr(hooks, "normalise", lambda _: (old,))
    await harness.post_webhook(b"{}")
    monkeypatch.setattr(hooks, "normalise", lambda _: news)
    answer = (await harness.post_webhook(b"{}")).json()
    assert answer["status"] == "accepted"
    assert [item["status"] for item in answer["items"]] == ["duplicate", "accepted", "ignored"]


async def test_an_event_we_fail_to_read_is_kept(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_bug(_: bytes) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr(harness.app.state.parts.webhooks["stripe"], "normalise", raise_bug)
    body = json.dumps(failed_event(unique_id("in"))).encode()
    first, second = await harness.post_webhook(body), await harness.post_webhook(body)
    assert first.json() == {"status": "ignored", "recovery_id": None, "reason": "it could not be read: KeyError"}
    assert second.json()["status"] == "duplicate"


class TestTemporalAway:
    """With Temporal unreachable, a stored webhook is accepted and delivered later."""

    async def test_it_is_accepted_and_delivered_later(self, harness: ApiHarness) -> None:
        harness.recoveries.error = TEMPORAL_AWAY
        invoice = unique_id("in")
        event = failed_event(invoice)
        name = recovery_id("stripe", invoice)
        assert (await harness.send_event(event)).json() == {"status": "accepted", "recovery_id": name, "reason": None}
        assert (await inbox_row(harness, event)).delivered_at is None
        harness.recoveries.error = None
        await run_relay(harness.db, harness.recoveries, {}, app_now() + timedelta(minutes=1), 50)
        assert (await inbox_row(harness, event)).outcome == "accepted"

    async def test_accepted_recovery_is_visible_at_once(self, harness: ApiHarness) -> None:
        harness.recoveries.error = TEMPORAL_AWAY
        invoice = unique_id("in")
        await harness.send_event(failed_event(invoice, amount=4900))
        response = await harness.client.get(f"/v1/recoveries/stripe/{invoice}", headers=ALL_SCOPES)
        assert response.status_code == 200
        assert {key: response.json()[key] for key in ("state", "amount", "currency", "invoice_id", "category")} == {
            "state": "received",
            "amount": 4900,
            "currency": "USD",
            "invoice_id": invoice,
            "category": None,
        }
        log = await harness.client.get(f"/v1/recoveries/stripe/{invoice}/events", headers=ALL_SCOPES)
        assert (log.status_code, log.json()) == (200, {"items": []})

    @pytest.mark.quiet
    async def test_slow_temporal_does_not_delay_the_answer(self, database: Database) -> None:
        class Slow(FakeRecoveries):
            async def start_recovery(self, event: ProviderEvent) -> None:
                await asyncio.sleep(0.6)
                await super().start_recovery(event)

        recoveries = Slow(log=StoredRecoveryLog(database))
        async with open_harness(build_app(database, recoveries), database, recoveries) as harness:
            event = failed_event(unique_id("in"))
            started_at = time.perf_counter()
            answer = await harness.send_event(event, delivered=False)
            assert time.perf_counter() - started_at < 0.55
            assert answer.json()["status"] == "accepted"
            await harness.wait_until_idle()
            assert (await inbox_row(harness, event)).outcome == "accepted"

    async def test_failed_delivery_does_not_change_the_answer(self, harness: ApiHarness) -> None:
        harness.recoveries.error = ZeroDivisionError()
        event = failed_event(unique_id("in"))
        assert (await harness.send_event(event)).status_code == 202
        harness.recoveries.error = RecoveryError("any other")
        assert (await harness.send_event(failed_event(unique_id("in")))).status_code == 202
        assert (await inbox_row(harness, event)).delivered_at is None


async def test_dispute_is_deferred_to_the_triggered_relay(harness: ApiHarness) -> None:
    event = stripe_event(
        "charge.dispute.created", id="dp_1", object="dispute", charge=unique_id("ch"), reason="fraudulent"
    )
    answer = await harness.send_event(event)
    assert answer.json() == {"status": "accepted", "recovery_id": None, "reason": None}
    await harness.wait_until_idle()
    assert harness.recoveries.relay_calls == 1
    assert (await inbox_row(harness, event)).delivered_at is None


async def time_call(work: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, and the seconds it took."""
    started_at = time.perf_counter()
    return await work(), time.perf_counter() - started_at


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.quiet
async def test_missing_database_is_reported_quickly(silent: bool, silent_port: int, recoveries: FakeRecoveries) -> None:
    """A closed port, and a server that never answers."""
    database = Database(f"postgresql://nobody@127.0.0.1:{silent_port if silent else 1}/none")
    async with open_harness(build_app(database, recoveries), database, recoveries) as harness:
        answer, seconds = await time_call(lambda: harness.send_event(failed_event(unique_id("in"))))
    await database.close()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "database_unavailable"
    assert seconds < 2.5
    assert not recoveries.started_events
