"""Personal data that is older than it is kept is blanked; what is still needed stays."""

from datetime import timedelta
from typing import Final

import pytest

from core.contracts import RetentionReport
from core.messages.recipients import Contact
from db.erasure import erase_customer
from db.repositories import contacts, customer_identities, event_log, inbox
from db.repositories.inbox import WebhookOutcome
from db.repositories.new_webhooks import NewWebhook, insert_webhooks
from db.retention import KEPT_FOR_EVER, KeptFor, apply_retention
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, failed_event

KEPT: Final = KeptFor.from_days(90, 30)
JENNY: Final = Contact(email="jenny@example.com", name="Jenny", link="https://pay.example.com/1")


@pytest.fixture(autouse=True)
async def empty_tables(database: Database) -> None:
    """Begins each test without rows of the others."""
    async with database.begin() as session:
        await session.exec_driver_sql("UPDATE webhook_inbox SET body = '', erased_at = now()")
        await session.exec_driver_sql("UPDATE contact SET email = NULL, name = NULL, links = '{}'")
        await session.exec_driver_sql("UPDATE customer_identity SET original = NULL")


async def run_pass(database: Database, days_later: int, kept: KeptFor = KEPT, limit: int = 2) -> RetentionReport:
    return await apply_retention(database, kept, NOW + timedelta(days=days_later), limit)


async def store_webhook(database: Database, event_id: str, *, delivered: bool = True) -> None:
    async with database.begin() as session:
        await insert_webhooks(session, [NewWebhook("stripe", event_id, "t", NOW, b"jenny@example.com")])
        if delivered:
            await inbox.conclude_delivery(session, "stripe", event_id, WebhookOutcome.IGNORED, NOW, reason="unused")


async def count_rows(database: Database, condition: str) -> int:
    async with database.begin() as session:
        return int((await session.exec_driver_sql(f"SELECT count(*) FROM {condition}")).scalar_one())


async def test_old_bodies_are_blanked_and_rows_stay(database: Database) -> None:
    for number in range(5):
        await store_webhook(database, f"evt_{number}")
    await store_webhook(database, "evt_waiting", delivered=False)
    assert (await run_pass(database, 89)).bodies == 0
    assert (await run_pass(database, 91)).bodies == 5, "over several transactions of two"
    assert (await run_pass(database, 91)).bodies == 0
    assert await count_rows(database, "webhook_inbox WHERE body <> ''") == 1, "not delivered yet"
    assert await count_rows(database, "webhook_inbox WHERE erased_at IS NULL") == 6, "its customer was not erased"
    await store_webhook(database, "evt_0")
    assert await count_rows(database, "webhook_inbox WHERE body <> ''") == 1, "an event that comes again is known"


async def test_contact_is_kept_until_the_last_recovery_has_ended_long_ago(database: Database) -> None:
    recovery = blank_recovery("in_kept")
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_kept", "in_kept", JENNY, NOW)
        await contacts.save_contact(session, "stripe", "cus_idle", "in_idle", JENNY, NOW)
        records = await event_log.append_to_log(session, recovery, [failed_event(customer_id="cus_kept")], NOW)
        assert records
    assert (await run_pass(database, 29)).contacts == 0
    assert (await run_pass(database, 31)).contacts == 1, "of the customer without a recovery"
    ended = NOW + timedelta(days=40)
    async with database.begin() as session:
        known = await event_log.load_recovery(session, recovery.recovery_id)
        assert known
        cancel = canceled_event().model_copy(update={"occurred_at": ended})
        await event_log.append_to_log(session, known, [cancel], ended)
    assert (await run_pass(database, 69)).contacts == 0
    assert (await run_pass(database, 71)).contacts == 1
    assert await count_rows(database, "contact WHERE email IS NOT NULL OR links <> '{}'") == 0


async def test_contact_that_was_blanked_for_its_age_is_stored_again(database: Database) -> None:
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_back", "in_1", JENNY, NOW)
    await run_pass(database, 31)
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_back", "in_2", JENNY, NOW + timedelta(days=32))
        assert await contacts.load_contact(session, "stripe", "cus_back", "in_2") == JENNY


async def test_original_id_is_stored_again_unless_it_was_erased(database: Database) -> None:
    async def hide(given: str) -> str | None:
        async with database.begin() as session:
            later = NOW + timedelta(days=40)
            name = await customer_identities.hide_customer_id(session, "adyen", given, (), later)
            return await customer_identities.find_original_id(session, name)

    async with database.begin() as session:
        for given in ("ann@example.com", "bob@example.com"):
            await customer_identities.hide_customer_id(session, "adyen", given, (), NOW)
    assert (await run_pass(database, 31)).originals == 2
    async with database.begin() as session:
        await erase_customer(session, "bob@example.com", (), NOW)
    assert [await hide(given) for given in ("ann@example.com", "bob@example.com")] == ["ann@example.com", None]


async def test_nothing_is_blanked_where_nothing_is_limited(database: Database) -> None:
    await store_webhook(database, "evt_for_ever")
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_1", "in_1", JENNY, NOW)
    assert KeptFor.from_days(0, 0) == KEPT_FOR_EVER
    assert await run_pass(database, 36_000, KEPT_FOR_EVER) == RetentionReport()
