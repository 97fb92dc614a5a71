"""Appending to the log: in order, once, chained, whoever repeats or races."""

from datetime import UTC, datetime

from core.events import Event, EventType
from core.retry import machine
from core.retry.recovery import Recovery
from db import chain
from db.repositories import event_log
from db.session import Database

NOW = datetime(2026, 9, 1, 12, 0, 0, 123456, tzinfo=UTC)
FAILED = Event(
    type=EventType.PAYMENT_FAILED, occurred_at=NOW, data={"amount": 500, "currency": "EUR", "customer_id": "cus_1"}
)


async def test_what_is_appended_comes_back_as_it_was_returned(database: Database) -> None:
    blank = Recovery(provider="stripe", invoice_id="in_first")
    async with database.begin() as session:
        written = await event_log.append(session, blank, [FAILED], NOW)
    async with database.begin() as session:
        assert await event_log.load(session, blank.recovery_id) == written
        assert await event_log.recovery(session, blank.recovery_id) == machine.fold(blank, written)
        assert chain.verify(await event_log._read(session, blank.recovery_id, 1)) == []
