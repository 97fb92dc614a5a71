"""Appending to the log: in order, once, chained, despite repeats and races."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import text

from core.errors import InvalidInput, RecoveryError
from core.events import Event, EventType, Record, State
from core.recovery import machine
from core.recovery.state import Recovery
from core.redaction.text import REDACTED
from db import chain
from db.partitions import ensure_month_partition
from db.queries import recovery_rows
from db.repositories import event_log, recoveries, transitions
from db.repositories.recoveries import project_recovery
from db.repositories.transitions import Row, event_id_of
from db.session import Database, Session
from tests.db.conftest import Addresses, run_as_owner
from tests.db.recovery_events import DATA, NOW, blank_recovery, canceled_event, event_of, failed_event


async def append_events(database: Database, before: Recovery, *events: Any, now: datetime = NOW) -> tuple[Record, ...]:
    """Appends in a transaction of its own."""
    async with database.begin() as session:
        return await event_log.append_to_log(session, before, events, now)


async def read_whole_log(database: Database, recovery_id: str) -> list[Row]:
    """All rows of one recovery in every partition."""
    async with database.begin() as session:
        return [row async for history in event_log.stream_histories(session, recovery_id) for row in history]


async def test_appended_rows_are_read_back_as_returned(database: Database) -> None:
    opened = blank_recovery("in_back")
    first = await append_events(database, opened, failed_event(note="a\x00b", nested={"list": (1, None, True, 2**70)}))
    second = await append_events(database, machine.fold_records(opened, first), *(event_of(kind) for kind in DATA))
    async with database.begin() as session:
        assert await event_log.load_records(session, opened.recovery_id) == first + second
        assert await event_log.load_recovery(session, opened.recovery_id) == machine.fold_records(
            opened, first + second
        )
    rows = await read_whole_log(database, opened.recovery_id)
    assert chain.verify_chain(rows) == []
    assert {row["opened_on"] for row in rows} == {NOW.date()}
    assert [row["event_id"] for row in rows] == [event_id_of(opened.recovery_id, n + 1) for n in range(len(rows))]


async def test_a_repeat_returns_what_is_stored_and_writes_nothing(database: Database) -> None:
    opened = blank_recovery("in_repeat")
    first = await append_events(database, opened, failed_event())
    again = await append_events(database, opened, failed_event(amount=999), now=NOW + timedelta(days=1))
    assert again == first
    assert len(await read_whole_log(database, opened.recovery_id)) == 1


async def test_outdated_run_gets_all_later_rows(database: Database) -> None:
    opened = blank_recovery("in_behind")
    first = await append_events(database, opened, failed_event())
    rest = await append_events(
        database, machine.fold_records(opened, first), event_of(EventType.PAUSED), event_of(EventType.RESUMED)
    )
    assert await append_events(database, opened, failed_event()) == first + rest
    assert (
        await append_events(database, machine.fold_records(opened, first + rest[:1]), event_of(EventType.PAUSED))
        == rest[1:]
    )


async def test_closing_row_is_appended_with_the_ending_event(database: Database) -> None:
    opened = blank_recovery("in_end")
    records = await append_events(database, opened, failed_event(), canceled_event())
    assert [record.type for record in records][-1] is EventType.RECOVERY_CLOSED
    assert records[-1].to_state is State.CANCELED
    async with database.begin() as session:
        row = await recoveries.load_recovery_row(session, opened.recovery_id)
    assert row is not None
    assert (row["state"], row["close_reason"], row["sequence"]) == ("canceled", "operator", 3)


async def test_fifty_concurrent_appends_write_one_row(database: Database) -> None:
    opened = blank_recovery("in_race")
    results = await asyncio.gather(*(append_events(database, opened, failed_event(racer=n)) for n in range(50)))
    assert len({records[0].data["racer"] for records in results}) == 1
    assert len(await read_whole_log(database, opened.recovery_id)) == 1


async def test_fifty_concurrent_continuations_leave_no_gap(database: Database) -> None:
    opened = blank_recovery("in_long_race")

    async def append_one(number: int) -> None:
        recovery = opened
        while recovery.sequence < 4:
            recovery = machine.fold_records(
                recovery, await append_events(database, recovery, failed_event(racer=number))
            )

    await asyncio.gather(*(append_one(number) for number in range(50)))
    rows = await read_whole_log(database, opened.recovery_id)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == 4
    assert chain.verify_chain(rows) == []


async def test_nothing_is_appended_after_the_end_of_the_log(database: Database) -> None:
    with pytest.raises(RecoveryError, match="ends before row 3"):
        await append_events(database, blank_recovery("in_unknown").with_changes(sequence=3), failed_event())


@pytest.mark.parametrize("bad", [{"amount": 1.5}, {"amount": 2**63}])
async def test_unstorable_data_refuses_the_whole_batch(database: Database, bad: dict[str, Any]) -> None:
    opened = blank_recovery("in_refused")
    with pytest.raises(InvalidInput):
        await append_events(database, opened, failed_event(**bad))
    with pytest.raises(InvalidInput):
        await append_events(database, opened, failed_event(at=datetime(2026, 9, 1)))  # noqa: DTZ001
    assert await read_whole_log(database, opened.recovery_id) == []


async def test_an_import_of_years_ago_gets_its_partition(database: Database) -> None:
    long_ago = datetime(2019, 2, 28, 23, 59, tzinfo=UTC)
    await asyncio.gather(
        *(append_events(database, blank_recovery(f"in_old_{n}"), failed_event(at=long_ago)) for n in range(5))
    )
    rows = await read_whole_log(database, "recovery-stripe-in_old_3")
    async with database.begin() as session:
        lies_in = await session.execute(
            text("SELECT tableoid::regclass::text FROM event_log WHERE opened_on < '2020-01-01'")
        )
    assert [row["opened_on"] for row in rows] == [long_ago.date()]
    assert list(lies_in.scalars()) == ["event_log_2019_02"] * 5


async def test_rows_under_another_day_than_that_of_the_opening_are_found(database: Database) -> None:
    """A guess saves work and decides nothing: a run goes on behind rows that lie elsewhere, and opens nothing twice."""
    opened, failed = blank_recovery("in_elsewhere"), failed_event()
    async with database.begin() as session:
        turn = await event_log.take_turn(session, opened, failed)
        (record,) = machine.append_events(opened, [failed], NOW)[1]
        recovery = machine.fold_records(opened, [record])
        other_day = NOW.date() - timedelta(days=40)
        await ensure_month_partition(session, other_day)
        rows = transitions.chain_rows(recovery, [record], chain.GENESIS, other_day, turn.locked_at)
        await transitions.store_transition(session, rows, [], project_recovery(recovery, other_day, NOW))
    assert recovery.opened_at == NOW
    assert (await append_events(database, opened, failed_event(amount=1)))[0].data["amount"] == record.data["amount"]
    (paused,) = await append_events(database, recovery, event_of(EventType.PAUSED))
    assert await append_events(database, recovery, event_of(EventType.PAUSED)) == (paused,)
    rows_now = await read_whole_log(database, opened.recovery_id)
    assert {row["opened_on"] for row in rows_now} == {other_day}
    assert chain.verify_chain(rows_now) == []


async def test_a_continued_recovery_touches_one_partition(database: Database) -> None:
    """What a row costs doesn't grow with the months in the log."""
    opened = blank_recovery("in_one_month")
    recovery = machine.fold_records(opened, await append_events(database, opened, failed_event()))
    async with database.begin() as session:
        before = await count_reads(session)
        await event_log.append_to_log(session, recovery, [event_of(EventType.PAUSED)], NOW)
        after = await count_reads(session)
    assert [name for name, reads in after.items() if reads > before[name]] == [f"event_log_{NOW:%Y_%m}"]


async def count_reads(session: Session) -> Counter[str]:
    """How often this connection read each partition lately."""
    query = (
        "SELECT relname, seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE starts_with(relname, 'event_log_2')"
    )
    return Counter({name: reads for name, reads in await session.execute(text(query))})


async def test_a_rolled_back_append_leaves_nothing(database: Database) -> None:
    opened = blank_recovery("in_rollback")

    async def append_and_fail() -> None:
        async with database.begin() as session:
            await event_log.append_to_log(session, opened, [failed_event()], NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await append_and_fail()
    assert await read_whole_log(database, opened.recovery_id) == []
    async with database.begin() as session:
        assert await recoveries.load_recovery_row(session, opened.recovery_id) is None


async def test_an_invoice_id_may_hold_anything_printable(database: Database) -> None:
    opened = blank_recovery("in/ü %_'\"\\ 1")
    records = await append_events(database, opened, failed_event())
    async with database.begin() as session:
        assert await event_log.load_records(session, opened.recovery_id) == records


async def test_rows_are_the_columns_of_the_contract_with_hashes_in_hex(database: Database) -> None:
    opened = blank_recovery("in_rows")
    await append_events(database, opened, failed_event(), event_of(EventType.PAUSED))
    async with database.begin() as session:
        rows = await recovery_rows.load_rows(session, opened.recovery_id)
    assert list(rows[0]) == [
        "recovery_id", "sequence", "event_id", "type", "occurred_at", "recorded_at", "provider", "invoice_id",
        "customer_id", "attempt", "from_state", "to_state", "data", "previous_hash", "hash", "opened_on",
    ]  # fmt: skip
    assert rows[0]["previous_hash"] == "00" * 32
    assert rows[1]["previous_hash"] == rows[0]["hash"]
    assert rows[0]["occurred_at"] == NOW


async def test_rows_are_shown_while_the_read_model_lacks_or_misplaces_their_recovery(
    database: Database, addresses: Addresses
) -> None:
    opened = blank_recovery("in_rebuilt")
    await append_events(database, opened, failed_event())
    for change in ("UPDATE recovery SET opened_on = opened_on - 1", "DELETE FROM recovery"):
        run_as_owner(addresses, f"{change} WHERE invoice_id = 'in_rebuilt'")
        async with database.begin() as session:
            assert [row["sequence"] for row in await recovery_rows.load_rows(session, opened.recovery_id)] == [1]


async def append_late_event(database: Database, invoice_id: str, event_id: str) -> Record | None:
    """Appends one late event in a transaction of its own."""
    async with database.begin() as session:
        late = Event(type=EventType.EVENT_LATE, occurred_at=NOW, data={"event_id": event_id})
        return await event_log.append_late(session, "stripe", invoice_id, late, NOW)


async def test_late_events_come_after_the_end_only_and_once(database: Database) -> None:
    opened = blank_recovery("in_late")
    assert await append_late_event(database, "in_late", "evt_2") is None
    first = await append_events(database, opened, failed_event())
    assert await append_late_event(database, "in_late", "evt_2") is None
    await append_events(database, machine.fold_records(opened, first), canceled_event())
    results = await asyncio.gather(*(append_late_event(database, "in_late", f"evt_{n % 5 + 2}") for n in range(20)))
    assert sorted({record.sequence for record in results if record}) == [4, 5, 6, 7, 8]
    rows = await read_whole_log(database, opened.recovery_id)
    assert [row["type"] for row in rows[3:]] == ["event.late"] * 5
    assert chain.verify_chain(rows) == []
    async with database.begin() as session:
        row = await recoveries.load_recovery_row(session, opened.recovery_id)
    assert row is not None
    assert (row["state"], row["sequence"]) == ("canceled", 8)


async def test_rows_are_recorded_by_the_databases_clock_once_the_lock_is_held(database: Database) -> None:
    recovery, held = blank_recovery("in_clock"), asyncio.Event()

    async def hold_the_lock() -> datetime:
        async with database.begin() as session:
            await event_log.lock_recovery(session, recovery.recovery_id)
            held.set()
            await asyncio.sleep(0.3)
            clock = await session.execute(text("SELECT clock_timestamp()"))
            return cast(datetime, clock.scalar_one())

    holder = asyncio.create_task(hold_the_lock())
    await held.wait()
    async with database.begin() as session:
        await event_log.append_to_log(session, recovery, [failed_event()], NOW)
    released_at = await holder
    (row,) = await read_whole_log(database, recovery.recovery_id)
    assert row["recorded_at"] > released_at > NOW


async def test_a_clock_that_was_set_back_does_not_turn_the_order_around(database: Database) -> None:
    recovery, later = blank_recovery("in_set_back"), NOW + timedelta(days=400)
    async with database.begin() as session:
        first = await event_log.append_to_log(session, recovery, [failed_event()], NOW, later)
        recovery = machine.fold_records(recovery, first)
        await event_log.append_to_log(session, recovery, [canceled_event()], NOW, NOW)
    rows = await read_whole_log(database, recovery.recovery_id)
    assert {row["recorded_at"] for row in rows} == {later}
    assert len(rows) > 1


async def test_texts_of_plug_ins_are_redacted_and_ids_kept(database: Database) -> None:
    opened = blank_recovery("4242424242424242")
    ids: dict[str, Any] = dict.fromkeys(
        ("event_id", "payment_id", "customer_id", "subscription_id"), "4242424242424242"
    )
    planned = event_of(EventType.RETRY_PLANNED, why="for ann@example.com", rejected=["card 4242 4242 4242 4242"])
    first = await append_events(database, opened, failed_event(**ids, amount=4242424242424242))
    (_, plan) = await append_events(
        database, machine.fold_records(opened, first), event_of(EventType.FAILURE_CLASSIFIED), planned
    )
    assert {name: first[0].data[name] for name in ids} == ids
    assert first[0].data["amount"] == 4242424242424242
    assert (plan.data["why"], plan.data["rejected"]) == (f"for {REDACTED}", [f"card {REDACTED}"])
    assert plan.data["at"] == event_of(EventType.RETRY_PLANNED).data["at"]
    rows = await read_whole_log(database, opened.recovery_id)
    assert chain.verify_chain(rows) == []
    assert rows[0]["invoice_id"] == "4242424242424242"
    assert "ann@example.com" not in str([row["data"] for row in rows])
