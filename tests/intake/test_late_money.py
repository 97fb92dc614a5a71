"""Money that moves after the end: its amount, counted once, reported to operators and the merchant's systems."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from core.events import Event, EventType
from core.ids import recovery_id
from core.notices import Audience, NoticeTopic
from core.payments import EventKind, Failure, ProviderEvent
from core.recovery.state import Recovery
from db.models import notice
from db.repositories import event_log, recoveries
from db.session import Database
from intake.delivery import deliver_event
from tests.intake.fakes import (
    NOW,
    FakeRecoveries,
    canceled_event,
    failure_event,
    paid_event,
    provider_event,
    store_recovery,
    unique_id,
)

REFUND = {"returned_amount": 120, "returned_kind": "refund", "currency": "EUR", "payment_id": "ch_1"}
CHARGEBACK = {"returned_amount": 500, "returned_kind": "chargeback", "currency": "EUR"}


async def ended_invoice(db: Database, *rows: Event) -> str:
    """The invoice of a recovery of 5.00 EUR that these rows have ended."""
    about = failure_event(unique_id("in"))
    await store_recovery(db, about, *rows)
    return about.invoice_id or ""


async def receive_events(db: Database, runs: FakeRecoveries, invoice: str, *events: ProviderEvent) -> Recovery:
    """The recovery after these events; asserts that the read model and the log agree on its money."""
    for event in events:
        await deliver_event(event.model_copy(update={"invoice_id": invoice}), db, runs, NOW)
    async with db.begin() as session:
        recovery = await event_log.load_recovery(session, recovery_id("stripe", invoice))
        row = await recoveries.load_recovery_row(session, recovery_id("stripe", invoice))
    assert recovery
    assert row
    assert (row["paid"], row["paid_late"], row["returned"]) == (recovery.paid, recovery.paid_late, recovery.returned)
    return recovery


async def waiting_notices(db: Database, invoice: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The notices that wait to be delivered: audience, topic, data."""
    query = select(notice).where(notice.c.recovery_id == recovery_id("stripe", invoice)).order_by(notice.c.topic)
    async with db.begin() as session:
        return [(row.audience, row.topic, row.data) for row in await session.execute(query)]


@pytest.mark.parametrize(
    ("event", "name", "kind", "amount"),
    [
        (provider_event(EventKind.PAYMENT_REFUNDED, **REFUND), "recovery.payment_refunded", "refund", 120),
        (provider_event(EventKind.PAYMENT_REVERSED, **CHARGEBACK), "recovery.payment_reversed", "chargeback", 500),
        (provider_event(EventKind.DISPUTE_OPENED, **CHARGEBACK), "recovery.payment_reversed", "chargeback", 500),
        (
            provider_event(
                EventKind.PAYMENT_REVERSED, **CHARGEBACK | {"returned_kind": "returned_debit"}, failure=Failure()
            ),
            "recovery.payment_reversed",
            "returned_debit",
            500,
        ),
    ],
)
async def test_returned_money_is_notified_to_operators_and_systems(
    event: ProviderEvent, name: str, kind: str, amount: int, database: Database, recoveries: FakeRecoveries
) -> None:
    invoice = await ended_invoice(database, paid_event())
    recovery = await receive_events(database, recoveries, invoice, event, event)
    assert (recovery.returned, recovery.state) == (amount, "recovered")
    operators, systems = await waiting_notices(database, invoice)
    assert operators[:2] == (Audience.OPERATORS, NoticeTopic.MONEY_BACK)
    assert (operators[2]["amount"], operators[2]["currency"], operators[2]["why"]) == (amount, "EUR", kind)
    assert systems[:2] == (Audience.WEBHOOK, name)
    body = systems[2]
    assert body["type"] == name
    assert (body["data"]["returned"], body["data"]["state"]) == (amount, "recovered")
    assert (body["data"]["payment"]["amount"], body["data"]["payment"]["kind"]) == (amount, kind)


async def test_each_notice_holds_the_sums_of_its_own_row(database: Database, recoveries: FakeRecoveries) -> None:
    invoice = await ended_invoice(database, paid_event())
    refunds = [provider_event(EventKind.PAYMENT_REFUNDED, **REFUND) for _ in range(3)]
    await receive_events(database, recoveries, invoice, *refunds)
    sums = [
        data["data"]["returned"]
        for audience, _, data in await waiting_notices(database, invoice)
        if audience == "webhook"
    ]
    assert sorted(sums) == [120, 240, 360]


async def test_late_payment_counts_once_however_often_it_is_reported(
    database: Database, recoveries: FakeRecoveries
) -> None:
    """Stripe sends invoice.paid and invoice.payment_succeeded for one payment; the invoice's amount is not its sum."""
    invoice = await ended_invoice(database, canceled_event())
    twice = [provider_event(EventKind.INVOICE_PAID, amount=900, currency="EUR") for _ in range(2)]
    recovery = await receive_events(database, recoveries, invoice, *twice)
    assert (recovery.paid_late, recovery.state) == (500, "canceled")
    assert sorted(topic for _, topic, _ in await waiting_notices(database, invoice)) == [
        "money_back",
        "recovery.paid_late",
    ]


async def test_late_payment_reported_concurrently_counts_once(database: Database, recoveries: FakeRecoveries) -> None:
    """Stripe sends both in the same second, and they are delivered independently."""
    for _ in range(5):
        invoice = await ended_invoice(database, canceled_event())
        twice = [provider_event(EventKind.INVOICE_PAID, invoice_id=invoice, currency="EUR") for _ in range(4)]
        await asyncio.gather(*(deliver_event(event, database, recoveries, NOW) for event in twice))
        assert (await receive_events(database, recoveries, invoice)).paid_late == 500


async def test_partial_payment_before_the_end_is_not_counted_again(
    database: Database, recoveries: FakeRecoveries
) -> None:
    part = Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"amount": 200, "remaining": 300})
    invoice = await ended_invoice(database, part, canceled_event())
    later = [
        provider_event(EventKind.INVOICE_PAID, paid_amount=100, amount=500),
        provider_event(EventKind.INVOICE_PAID, amount=500),
    ]
    recovery = await receive_events(database, recoveries, invoice, *later)
    assert (recovery.amount, recovery.paid, recovery.paid_late) == (300, 200, 300)
