"""The inbox: each event once, each row to one relay at a time, nothing lost, erasable."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.payments import EventKind, ProviderEvent
from db.models import webhook_inbox
from db.repositories import contacts, event_log, inbox
from db.repositories.inbox import WebhookOutcome
from db.repositories.new_webhooks import NewWebhook, insert_webhooks
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, failed_event

AFTER_HEAD_START = NOW + inbox.HEAD_START


def event_with(event_id: str, **fields: Any) -> ProviderEvent:
    named = {"provider": "stripe", "event_id": event_id, "event_type": "invoice.payment_failed"}
    return ProviderEvent(**{"kind": EventKind.PAYMENT_FAILED, "occurred_at": NOW, **named, **fields})


async def store_event(database: Database, event_id: str, normalised: bool = True, **fields: Any) -> bool:
    event = event_with(event_id, **fields) if normalised else None
    async with database.begin() as session:
        body = b"\x00\xff{}" + event_id.encode()
        new = NewWebhook("stripe", event_id, "invoice.payment_failed", NOW, body, event)
        return (await insert_webhooks(session, [new]))[0]


async def conclude_event(database: Database, event_id: str, outcome: WebhookOutcome, **fields: Any) -> None:
    async with database.begin() as session:
        await inbox.conclude_delivery(session, "stripe", event_id, outcome, NOW, **fields)


async def fetch_row(database: Database, event_id: str) -> inbox.StoredWebhook:
    async with database.begin() as session:
        row = await inbox.load_webhook(session, "stripe", event_id)
    assert row is not None
    return row


async def fetch_body(database: Database, event_id: str) -> bytes | None:
    async with database.begin() as session:
        query = select(webhook_inbox.c.body).where(webhook_inbox.c.event_id == event_id)
        return (await session.execute(query)).scalar_one_or_none()


@pytest.fixture(autouse=True)
async def nothing_waits(database: Database) -> None:
    """Begins each test without undelivered rows."""
    async with database.begin() as session:
        while row := await inbox.claim_due(session, NOW + timedelta(days=1)):
            await inbox.conclude_delivery(
                session, row.provider, row.event_id, WebhookOutcome.IGNORED, NOW, reason="test over"
            )


async def test_a_hundred_copies_are_one_row(database: Database) -> None:
    news = await asyncio.gather(*(store_event(database, "evt_copies") for _ in range(100)))
    assert news.count(True) == 1


async def test_stored_webhook_is_read_back(database: Database) -> None:
    await store_event(database, "evt_back", invoice_id="in_1", customer_id="cus_1", detail="a\x00b")
    row = await fetch_row(database, "evt_back")
    assert row.event == event_with("evt_back", invoice_id="in_1", customer_id="cus_1", detail="a\ufffdb")
    assert (row.outcome, row.delivered_at, row.tries) == (None, None, 0)
    assert await fetch_body(database, "evt_back") == b"\x00\xff{}evt_back"
    assert await fetch_body(database, "evt_never") is None


async def test_an_unknown_shape_is_kept_too(database: Database) -> None:
    assert await store_event(database, "evt_\x00odd", normalised=False)
    assert not await store_event(database, "evt_\x00odd", normalised=False)
    assert (await fetch_row(database, "evt_\x00odd")).event is None


async def test_the_relay_leaves_a_new_row_alone_for_a_moment(database: Database) -> None:
    await store_event(database, "evt_new")
    async with database.begin() as session:
        assert await inbox.claim_due(session, NOW) is None
        row = await inbox.claim_due(session, AFTER_HEAD_START)
    assert row
    assert row.event_id == "evt_new"


async def test_relays_never_share_a_row(database: Database) -> None:
    for n in range(30):
        await store_event(database, f"evt_share_{n}")
    keys: list[str] = []

    async def run_relay() -> None:
        while True:
            async with database.begin() as session:
                row = await inbox.claim_due(session, AFTER_HEAD_START)
                await asyncio.sleep(0.01)
            if row is None:
                return
            keys.append(row.event_id)

    await asyncio.gather(*(run_relay() for _ in range(5)))
    assert sorted(keys) == sorted(f"evt_share_{n}" for n in range(30))


async def test_a_relay_that_dies_leaves_its_row_to_the_next(database: Database) -> None:
    await store_event(database, "evt_died")
    async with database.begin() as session:
        assert await inbox.claim_due(session, AFTER_HEAD_START)
        assert await inbox.claim_due(session, AFTER_HEAD_START) is None
        again = await inbox.claim_due(session, AFTER_HEAD_START + timedelta(seconds=5))
    assert again
    assert (again.event_id, again.tries) == ("evt_died", 2)


async def test_first_outcome_of_a_webhook_stands(database: Database) -> None:
    await store_event(database, "evt_verdict")
    await conclude_event(database, "evt_verdict", WebhookOutcome.ACCEPTED, recovery_id="recovery-stripe-in_1")
    await conclude_event(database, "evt_verdict", WebhookOutcome.IGNORED, reason="too late")
    row = await fetch_row(database, "evt_verdict")
    assert (row.outcome, row.reason, row.recovery_id) == (WebhookOutcome.ACCEPTED, None, "recovery-stripe-in_1")
    assert row.delivered_at == NOW


async def test_retry_delays_double_up_to_five_minutes(database: Database) -> None:
    await store_event(database, "evt_later")
    delays, moment = [], AFTER_HEAD_START
    for tries in range(1, 9):
        async with database.begin() as session:
            row = await inbox.claim_due(session, moment)
            await inbox.note_problem(session, "stripe", "evt_later", "Temporal is away\x00")
        assert row
        assert row.tries == tries
        delays.append((row.next_try_at - moment).total_seconds())
        moment = row.next_try_at
    assert delays == [5, 10, 20, 40, 80, 160, 300, 300]


async def test_rows_of_the_log_deliver_their_webhooks(database: Database) -> None:
    await store_event(database, "evt_rows", invoice_id="in_rows")
    await store_event(database, "evt_dispute", invoice_id="in_rows", kind=EventKind.DISPUTE_OPENED)
    await store_event(database, "evt_2", invoice_id="in_2")
    async with database.begin() as session:
        await inbox.conclude_recorded(session, "stripe", "in_rows", ["evt_rows", "evt_dispute", "evt_2"], "r_1", NOW)
    row = await fetch_row(database, "evt_rows")
    assert (row.outcome, row.recovery_id, row.delivered_at) == (WebhookOutcome.ACCEPTED, "r_1", NOW)
    assert (await fetch_row(database, "evt_dispute")).delivered_at is None, "it concerns the whole customer"
    assert (await fetch_row(database, "evt_2")).delivered_at is None, "another invoice's"


async def test_inbox_events_of_an_invoice_before_its_log(database: Database) -> None:
    await store_event(database, "evt_inv", invoice_id="in_known")
    async with database.begin() as session:
        assert [row.event_id for row in await inbox.webhooks_of_invoice(session, "stripe", "in_known")] == ["evt_inv"]
        assert await inbox.webhooks_of_invoice(session, "adyen", "in_known") == []


async def test_a_customer_can_be_erased_and_rows_stay(database: Database) -> None:
    async with database.begin() as session:
        await event_log.append_to_log(session, blank_recovery("in_erased"), [failed_event(customer_id="cus_gone")], NOW)
    await store_event(database, "evt_gone", customer_id="cus_gone")
    await store_event(database, "evt_of_recovery")
    await conclude_event(database, "evt_of_recovery", WebhookOutcome.ACCEPTED, recovery_id="recovery-stripe-in_erased")
    await store_event(database, "evt_other", customer_id="cus_stays")
    async with database.begin() as session:
        assert await inbox.erase_bodies(session, "cus_gone", NOW) == 2
        assert await inbox.erase_bodies(session, "cus_gone", NOW) == 0
    assert [await fetch_body(database, name) for name in ("evt_gone", "evt_of_recovery")] == [b"", b""]
    assert await fetch_body(database, "evt_other") == b"\x00\xff{}evt_other"
    assert (await fetch_row(database, "evt_of_recovery")).event is None
    waiting = await fetch_row(database, "evt_gone")
    assert waiting.event is not None, "it is not delivered yet"
    await conclude_event(database, "evt_gone", WebhookOutcome.ACCEPTED)
    assert (await fetch_row(database, "evt_gone")).event is None


async def test_later_webhook_of_an_erased_customer_is_stored_without_its_body(database: Database) -> None:
    async with database.begin() as session:
        await event_log.append_to_log(
            session, blank_recovery("in_blanked"), [failed_event(customer_id="cus_blanked")], NOW
        )
        await contacts.erase_contact(session, "cus_blanked", NOW)
    await store_event(database, "evt_by_customer", customer_id="cus_blanked")
    await store_event(database, "evt_by_invoice", invoice_id="in_blanked")
    await store_event(database, "evt_of_another", customer_id="cus_kept")
    assert [await fetch_body(database, name) for name in ("evt_by_customer", "evt_by_invoice")] == [b"", b""]
    assert await fetch_body(database, "evt_of_another") == b"\x00\xff{}evt_of_another"
    row = await fetch_row(database, "evt_by_customer")
    assert row.event is not None, "it still has to be delivered"
    await conclude_event(database, "evt_by_customer", WebhookOutcome.ACCEPTED)
    assert (await fetch_row(database, "evt_by_customer")).event is None


async def test_customer_known_by_webhooks_alone_can_be_erased(database: Database) -> None:
    await store_event(database, "evt_only", customer_id="cus_only", kind=EventKind.OTHER)
    async with database.begin() as session:
        await contacts.erase_contact(session, "cus_only", NOW)
        assert await inbox.erase_bodies(session, "cus_only", NOW) == 1
    await store_event(database, "evt_later_only", customer_id="cus_only")
    assert await fetch_body(database, "evt_later_only") == b""


async def test_body_of_a_batch_is_blanked_for_each_of_its_events(database: Database) -> None:
    moment = NOW + timedelta(minutes=7)
    for name, customer in (("evt_batch_1", "cus_batch"), ("evt_batch_2", "cus_beside")):
        async with database.begin() as session:
            event = event_with(name, customer_id=customer)
            await insert_webhooks(session, [NewWebhook("stripe", name, "x", moment, b"both", event)])
    async with database.begin() as session:
        assert await inbox.erase_bodies(session, "cus_batch", NOW) == 2
    assert [await fetch_body(database, name) for name in ("evt_batch_1", "evt_batch_2")] == [b"", b""]


async def test_batch_that_arrives_with_an_erased_customer_is_blanked_whole(database: Database) -> None:
    await store_event(database, "evt_known", customer_id="cus_arrives")
    moment = NOW + timedelta(minutes=8)
    async with database.begin() as session:
        await contacts.erase_contact(session, "cus_arrives", NOW)
        for name, customer in (("evt_arrives_1", "cus_arrives"), ("evt_arrives_2", "cus_beside")):
            event = event_with(name, customer_id=customer)
            await insert_webhooks(session, [NewWebhook("stripe", name, "x", moment, b"both", event)])
        await inbox.blank_shared_body(session, "stripe", ["evt_arrives_1", "evt_arrives_2"], moment)
    assert [await fetch_body(database, name) for name in ("evt_arrives_1", "evt_arrives_2")] == [b"", b""]
