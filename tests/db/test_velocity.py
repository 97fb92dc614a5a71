"""Velocity counts of cards, customers and bursts, and the indexes behind them."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from core.events import EventType
from core.fraud.signals import Velocity
from db.queries import customer_history, summary
from db.queries.velocity import count_velocity
from db.repositories import event_log
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def write_failure(db: Database, invoice: str, customer: str, card: str, ago: timedelta, **more: Any) -> None:
    """Stores a recovery whose failure was classified so long ago."""
    at = NOW - ago
    rows = [
        failed_event(at, customer_id=customer, event_id=f"evt_{invoice}"),
        event_of(EventType.FAILURE_CLASSIFIED, card={"fingerprint": card}),
        event_of(EventType.CUSTOMER_SEGMENTED, **more),
        canceled_event(),
    ]
    async with db.begin() as session:
        await event_log.append_to_log(session, blank_recovery(invoice), rows, at, at)


async def fetch_velocity(db: Database, customer: str | None, card: str | None) -> Velocity:
    async with db.begin() as session:
        return await count_velocity(session, "stripe", "recovery-stripe-in_now", customer, card, NOW, 7 * DAY, HOUR)


async def test_velocity_counts_other_failures_in_the_window(database: Database) -> None:
    assert await fetch_velocity(database, "cus_v", "fp_1") == Velocity(
        cards_of_customer=1, customers_on_card=1, failures_in_burst=1
    )
    await write_failure(database, "in_v1", "cus_v", "fp_2", 2 * DAY)
    await write_failure(database, "in_v2", "cus_v", "fp_3", HOUR / 2)
    await write_failure(database, "in_v3", "cus_v", "fp_4", 9 * DAY)
    await write_failure(database, "in_v4", "cus_w", "fp_1", DAY)
    assert await fetch_velocity(database, "cus_v", "fp_1") == Velocity(
        cards_of_customer=3, customers_on_card=2, failures_in_burst=2
    )
    assert (await fetch_velocity(database, None, None)).cards_of_customer is None


async def test_the_indexes_are_on_every_partition(database: Database) -> None:
    async with database.begin() as session:
        result = await session.execute(text("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%fingerprint%'"
                                           " AND tablename LIKE 'event_log%'"))  # fmt: skip
        assert result.scalar_one() > 10


async def test_customer_history_by_cause_and_sums_by_arm(database: Database) -> None:
    await write_failure(database, "in_a1", "cus_a", "fp_a", DAY, experiment="patience", arm="patient")
    async with database.begin() as session:
        history = await customer_history.customer_history(session, "stripe", "cus_a", "recovery-stripe-other")
        found = await summary.load_sums_by_currency(session, (summary.ARMS,), NOW - 2 * DAY, NOW, "eur")
    assert history.failures == 0
    (group,) = found["EUR"][summary.ARMS]
    assert (group.keys, group.sums.lost, group.sums.lost_count) == (("patience", "patient"), 500, 1)
