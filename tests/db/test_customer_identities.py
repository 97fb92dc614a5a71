"""Customers whose id names a person: one hashed id for each, the original beside it until it is erased."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from core.customer_ids import hash_customer_id, is_hashed
from core.messages.recipients import Contact, Subscription
from db.repositories import contacts, customer_identities, event_log, suppressions
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, failed_event

OLD, NEW = b"o" * 32, b"n" * 32


async def hide_id(database: Database, original: str, keys: Sequence[bytes] = (), provider: str = "adyen") -> str:
    async with database.begin() as session:
        return await customer_identities.hide_customer_id(session, provider, original, keys, NOW)


async def find_original(database: Database, customer_id: str) -> str | None:
    async with database.begin() as session:
        return await customer_identities.find_original_id(session, customer_id)


async def test_address_becomes_one_hashed_id_and_the_original_is_found_again(database: Database) -> None:
    names = set(await asyncio.gather(*(hide_id(database, "one@example.com") for _ in range(10))))
    (name,) = names
    assert is_hashed(name)
    assert await hide_id(database, "one@example.com", provider="braintree") == name
    assert await find_original(database, name) == "one@example.com"
    assert await hide_id(database, "cus_1") == "cus_1"
    assert await find_original(database, "cus_1") == "cus_1"
    assert await find_original(database, "hashed_by_the_merchant") == "hashed_by_the_merchant"


async def test_id_that_was_hashed_once_stays_when_keys_change(database: Database) -> None:
    first = await hide_id(database, "two@example.com")
    assert await hide_id(database, "two@example.com", [OLD]) == first, "a key was configured later"
    second = await hide_id(database, "three@example.com", [OLD])
    assert second == hash_customer_id("three@example.com", OLD)
    assert await hide_id(database, "three@example.com", [NEW, OLD]) == second, "the key was rotated"
    assert await hide_id(database, "three@example.com", [NEW]) == second, "the old key was removed"
    assert await hide_id(database, "four@example.com", [NEW, OLD]) == hash_customer_id("four@example.com", NEW)


async def test_open_recovery_keeps_the_id_that_it_began_with(database: Database) -> None:
    recovery = blank_recovery("inv_before", "adyen")
    async with database.begin() as session:
        await event_log.append_to_log(session, recovery, [failed_event(customer_id="five@example.com")], NOW)
    assert await hide_id(database, "five@example.com") == "five@example.com"
    assert is_hashed(await hide_id(database, "five@example.com", provider="braintree"))
    async with database.begin() as session:
        known = await event_log.load_recovery(session, recovery.recovery_id)
        assert known
        await event_log.append_to_log(session, known, [canceled_event()], NOW)
    assert is_hashed(await hide_id(database, "five@example.com"))


async def test_contact_and_unsubscription_of_an_earlier_release_go_with_the_new_id(database: Database) -> None:
    wish = Subscription(provider="adyen", customer_id="six@example.com", channel="email")
    async with database.begin() as session:
        await contacts.save_contact(session, "adyen", "six@example.com", "inv_6", Contact(email="six@example.com"), NOW)
        await suppressions.add_suppression(session, wish, "link", NOW)
    name = await hide_id(database, "six@example.com")
    async with database.begin() as session:
        found = await contacts.load_contact(session, "adyen", name, "inv_6")
        assert found
        assert found.email == "six@example.com"
        assert await contacts.load_contact(session, "adyen", "six@example.com", "inv_6") is None
        assert await suppressions.is_suppressed(session, wish.model_copy(update={"customer_id": name}))


async def test_customer_erased_by_an_earlier_release_stays_erased(database: Database) -> None:
    async with database.begin() as session:
        await contacts.save_contact(session, "adyen", "seven@example.com", "inv_7", Contact(), NOW)
        await contacts.erase_contact(session, "seven@example.com", NOW)
    name = await hide_id(database, "seven@example.com")
    assert await hide_id(database, "seven@example.com") == name
    assert await find_original(database, name) is None


async def test_search_by_the_given_id_finds_the_hashed_one(database: Database) -> None:
    name = await hide_id(database, "eight@example.com", [OLD])
    async with database.begin() as session:
        assert await customer_identities.find_customer_id(session, "eight@example.com", [NEW]) == name
        assert await customer_identities.find_customer_id(session, "nobody@example.com", [NEW]) == "nobody@example.com"
        assert await customer_identities.find_customer_id(session, "cus_8", [NEW]) == "cus_8"
        found = await customer_identities.find_all_ids(session, "eight@example.com", [NEW])
        assert (found[0], set(found) >= {name, "eight@example.com"}) == (name, True)
        assert set(await customer_identities.find_all_ids(session, name, [NEW])) == {name, "eight@example.com"}
        assert await customer_identities.find_all_ids(session, "cus_8", [NEW]) == ("cus_8",)


async def test_customer_is_seen_once_a_day(database: Database) -> None:
    async def seen_at(after: timedelta) -> object:
        async with database.begin() as session:
            await customer_identities.hide_customer_id(session, "adyen", "nine@example.com", (), NOW + after)
            query = "SELECT seen_at FROM customer_identity WHERE original = 'nine@example.com'"
            return (await session.exec_driver_sql(query)).scalar_one()

    moments = [await seen_at(timedelta(hours=hours)) for hours in (0, 23, 25)]
    assert moments == [NOW, NOW, NOW + timedelta(hours=25)]
