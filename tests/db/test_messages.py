"""Message claims, contacts and notices in PostgreSQL."""

import asyncio
from datetime import timedelta

from core.messages.recipients import Contact
from core.notices import Audience, NoticeTopic, dead_letter_notice
from db.repositories import contacts, event_log, messages, notices
from db.repositories.messages import MessageName, MessageState
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, failed_event

NAME = MessageName(recovery_id="recovery-stripe-in_1", step="card_data-1", channel="email")
JENNY = Contact(email="jenny@example.com", name="Jenny", language="de", link="https://pay.example.com/1")


async def claim_message(database: Database, name: MessageName = NAME) -> messages.Claim:
    async with database.begin() as session:
        return await messages.claim_message(session, name, "card_data", NOW)


async def conclude_message(
    database: Database, name: MessageName, state: MessageState, reason: str | None = None
) -> None:
    async with database.begin() as session:
        await messages.conclude_message(session, name, state, NOW, reason, "de")


async def test_one_of_many_concurrent_claims_may_send(database: Database) -> None:
    claims = await asyncio.gather(*(claim_message(database) for _ in range(8)))
    assert sorted(claim.is_ours for claim in claims) == [False] * 7 + [True]
    assert {claim.state for claim in claims} == {MessageState.SENDING}


async def test_only_an_unsent_message_may_be_retried(database: Database) -> None:
    name = NAME.model_copy(update={"step": "card_data-2"})
    assert (await claim_message(database, name)).is_ours
    await conclude_message(database, name, MessageState.UNSENT, "smtp_421")
    again = await claim_message(database, name)
    assert (again.is_ours, again.tries) == (True, 2)
    await conclude_message(database, name, MessageState.SENT)
    assert (await claim_message(database, name)).state is MessageState.SENT
    await conclude_message(database, name, MessageState.FAILED)
    last = await claim_message(database, name)
    assert (last.is_ours, last.state) == (False, MessageState.SENT)


async def test_a_contact_is_renewed_and_keeps_links_and_numbers_of_other_invoices(database: Database) -> None:
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_1", "in_1", JENNY, NOW)
        other = JENNY.model_copy(
            update={"link": "https://pay.example.com/2", "invoice_number": "ACME-0002", "language": "fr"}
        )
        await contacts.save_contact(session, "stripe", "cus_1", "in_2", other, NOW)
        first, second = [await contacts.load_contact(session, "stripe", "cus_1", name) for name in ("in_1", "in_2")]
    assert first == JENNY.model_copy(update={"language": "fr"})
    assert second == other


async def test_erased_contact_stays_erased(database: Database) -> None:
    async with database.begin() as session:
        await contacts.save_contact(session, "stripe", "cus_gone", "in_1", JENNY, NOW)
        assert await contacts.erase_contact(session, "cus_gone", NOW) == 1
        assert await contacts.load_contact(session, "stripe", "cus_gone", "in_1") is None
        await contacts.save_contact(session, "stripe", "cus_gone", "in_1", JENNY, NOW)
        assert await contacts.load_contact(session, "stripe", "cus_gone", "in_1") is None
        query = (
            "SELECT email, name, phone, links::text, invoice_numbers::text FROM contact WHERE customer_id = 'cus_gone'"
        )
        row = await session.exec_driver_sql(query)
        assert row.one() == (None, None, None, "{}", "{}")


async def test_customer_erased_before_the_first_read_stays_erased(database: Database) -> None:
    async with database.begin() as session:
        await event_log.append_to_log(session, blank_recovery("in_erased"), [failed_event()], NOW)
        customer = (await event_log.load_recovery(session, "recovery-stripe-in_erased")).customer_id  # type: ignore[union-attr]
        assert customer
        await contacts.erase_contact(session, customer, NOW)
        await contacts.save_contact(session, "stripe", customer, "in_erased", JENNY, NOW)
        assert await contacts.load_contact(session, "stripe", customer, "in_erased") is None


async def test_notice_is_stored_and_handed_over_once(database: Database) -> None:
    dead_letter = dead_letter_notice("webhook evt_1", NOW, why="because")
    async with database.begin() as session:
        await notices.add_notices(session, [dead_letter])
        await notices.add_notices(session, [dead_letter])
    async with database.begin() as session:
        waiting = await notices.waiting_notices(session, Audience.OPERATORS, 10)
        assert waiting == [dead_letter]
        await notices.mark_handled(session, [dead_letter.id], NOW, "told")
    async with database.begin() as session:
        assert await notices.waiting_notices(session, Audience.OPERATORS, 10) == []
        assert await notices.last_sent(session, Audience.OPERATORS) == {NoticeTopic.DEAD_LETTER: NOW}
        await notices.delete_old(session, NOW + timedelta(days=31))
        assert await notices.load_notice(session, dead_letter.id) is None
