"""The inbox: each event once, each row to one relay at a time, nothing lost, and erased when asked."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.payments import EventKind, ProviderEvent
from db.repositories import event_log, inbox
from db.repositories.inbox import Outcome
from db.session import Database
from tests.db.stories import NOW, blank, failed

AFTER_HEAD_START = NOW + inbox.HEAD_START


def about(event_id: str, **fields: Any) -> ProviderEvent:
    return ProviderEvent(
        provider="stripe", event_id=event_id, event_type="invoice.payment_failed", kind=EventKind.PAYMENT_FAILED,
        occurred_at=NOW, **fields,
    )  # fmt: skip


async def keep(database: Database, event_id: str, normalised: bool = True, **fields: Any) -> bool:
    event = about(event_id, **fields) if normalised else None
    async with database.begin() as session:
        return await inbox.insert(
            session, provider="stripe", event_id=event_id, event_type="invoice.payment_failed", received_at=NOW,
            body=b"\x00\xff{}", event=event,
        )  # fmt: skip


async def settle(database: Database, event_id: str, outcome: Outcome, **known: Any) -> None:
    async with database.begin() as session:
        await inbox.settle(session, "stripe", event_id, outcome, NOW, **known)


async def get(database: Database, event_id: str) -> inbox.Stored:
    async with database.begin() as session:
        row = await inbox.get(session, "stripe", event_id)
    assert row is not None
    return row


async def body(database: Database, event_id: str) -> bytes | None:
    async with database.begin() as session:
        return await inbox.body(session, "stripe", event_id)


@pytest.fixture(autouse=True)
async def nothing_waits(database: Database) -> None:
    """Each test begins with no row left to deliver."""
    async with database.begin() as session:
        for row in await inbox.undelivered(session, 1000, NOW + timedelta(days=1)):
            await inbox.settle(session, row.provider, row.event_id, Outcome.IGNORED, NOW, reason="test over")


async def test_a_hundred_copies_are_one_row(database: Database) -> None:
    news = await asyncio.gather(*(keep(database, "evt_copies") for _ in range(100)))
    assert news.count(True) == 1


async def test_a_row_comes_back_as_it_was_kept(database: Database) -> None:
    await keep(database, "evt_back", invoice_id="in_1", customer_id="cus_1", detail="a\x00b")
    row = await get(database, "evt_back")
    assert row.event == about("evt_back", invoice_id="in_1", customer_id="cus_1", detail="a\ufffdb")
    assert (row.outcome, row.delivered_at, row.tries) == (None, None, 0)
    assert await body(database, "evt_back") == b"\x00\xff{}"
    assert await body(database, "evt_never") is None


async def test_an_unknown_shape_is_kept_too(database: Database) -> None:
    assert await keep(database, "evt_\x00odd", normalised=False)
    assert not await keep(database, "evt_\x00odd", normalised=False)
    assert (await get(database, "evt_\x00odd")).event is None


async def test_the_relay_leaves_a_new_row_alone_for_a_moment(database: Database) -> None:
    await keep(database, "evt_new")
    async with database.begin() as session:
        assert await inbox.undelivered(session, 10, NOW) == []
        assert [row.event_id for row in await inbox.undelivered(session, 10, AFTER_HEAD_START)] == ["evt_new"]


async def test_relays_never_share_a_row(database: Database) -> None:
    for n in range(30):
        await keep(database, f"evt_share_{n}")
    taken: list[str] = []

    async def relay() -> None:
        async with database.begin() as session:
            rows = await inbox.undelivered(session, 10, AFTER_HEAD_START)
            await asyncio.sleep(0.05)
            for row in rows:
                taken.append(row.event_id)
                await inbox.settle(session, row.provider, row.event_id, Outcome.ACCEPTED, NOW, recovery_id="r")

    while True:
        await asyncio.gather(*(relay() for _ in range(5)))
        async with database.begin() as session:
            if await inbox.waiting(session) == 0:
                break
    assert sorted(taken) == sorted(f"evt_share_{n}" for n in range(30))


async def test_a_relay_that_dies_leaves_its_rows_to_the_next(database: Database) -> None:
    await keep(database, "evt_died")

    async def dying() -> None:
        async with database.begin() as session:
            assert len(await inbox.undelivered(session, 10, AFTER_HEAD_START)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await dying()
    async with database.begin() as session:
        assert len(await inbox.undelivered(session, 10, AFTER_HEAD_START)) == 1


async def test_the_first_verdict_stands(database: Database) -> None:
    await keep(database, "evt_verdict")
    await settle(database, "evt_verdict", Outcome.ACCEPTED, recovery_id="recovery-stripe-in_1")
    await settle(database, "evt_verdict", Outcome.IGNORED, reason="too late")
    row = await get(database, "evt_verdict")
    assert (row.outcome, row.reason, row.recovery_id) == (Outcome.ACCEPTED, None, "recovery-stripe-in_1")
    assert row.delivered_at == NOW


async def test_waits_double_up_to_five_minutes(database: Database) -> None:
    await keep(database, "evt_later")
    waits = []
    for tries in range(8):
        async with database.begin() as session:
            await inbox.retry_later(session, "stripe", "evt_later", tries, NOW, "Temporal is away\x00")
        row = await get(database, "evt_later")
        assert row.tries == tries + 1
        waits.append((row.next_try_at - NOW).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


async def test_what_is_known_of_an_invoice_before_its_log(database: Database) -> None:
    await keep(database, "evt_inv", invoice_id="in_known")
    async with database.begin() as session:
        assert [row.event_id for row in await inbox.of_invoice(session, "stripe", "in_known")] == ["evt_inv"]
        assert await inbox.of_invoice(session, "adyen", "in_known") == []


async def test_a_customer_can_be_erased_and_rows_stay(database: Database) -> None:
    async with database.begin() as session:
        await event_log.append(session, blank("in_erased"), [failed(customer_id="cus_gone")], NOW)
    await keep(database, "evt_gone", customer_id="cus_gone")
    await keep(database, "evt_of_recovery")
    await settle(database, "evt_of_recovery", Outcome.ACCEPTED, recovery_id="recovery-stripe-in_erased")
    await keep(database, "evt_other", customer_id="cus_stays")
    async with database.begin() as session:
        assert await inbox.erase_customer(session, "cus_gone", NOW) == 2
        assert await inbox.erase_customer(session, "cus_gone", NOW) == 0
    assert [await body(database, name) for name in ("evt_gone", "evt_of_recovery")] == [b"", b""]
    assert await body(database, "evt_other") == b"\x00\xff{}"
    assert (await get(database, "evt_of_recovery")).event is None
    waiting = await get(database, "evt_gone")
    assert waiting.event is not None, "it is not delivered yet"
    await settle(database, "evt_gone", Outcome.ACCEPTED)
    assert (await get(database, "evt_gone")).event is None
