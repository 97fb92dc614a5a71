"""The read model: what the log says, found by whatever a person or a webhook knows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import InvalidInput
from core.events import Event, EventType, State, stamp
from core.retry import machine
from core.retry.recovery import Recovery
from db.repositories import event_log, recoveries
from db.repositories.history import customer_history
from db.repositories.recoveries import Filters
from db.session import Database
from tests.db.stories import LATER, NOW, blank, canceled, event, failed

SECOND = timedelta(seconds=1)


async def put(database: Database, invoice_id: str, *events: Event, provider: str = "stripe") -> Recovery:
    """A recovery with these events in its log, each appended by itself."""
    recovery = blank(invoice_id, provider)
    async with database.begin() as session:
        for one in events:
            recovery = machine.fold(recovery, await event_log.append(session, recovery, [one], NOW))
    return recovery


async def found(database: Database, limit: int = 50, cursor: str | None = None, **filters: Any) -> recoveries.Page:
    async with database.begin() as session:
        return await recoveries.find(session, Filters(**filters), limit, cursor)


def invoices(rows: Any) -> list[str]:
    return [row["invoice_id"] for row in rows]


def planned(at: datetime) -> Event:
    return event(EventType.RETRY_PLANNED, at=stamp(at))


DECIDED = (event(EventType.FAILURE_CLASSIFIED), event(EventType.CUSTOMER_SEGMENTED), event(EventType.FRAUD_ASSESSED))


async def test_a_row_has_the_fields_of_the_contract(database: Database) -> None:
    recovery = await put(database, "in_fields", failed(), *DECIDED, event(EventType.RETRY_PLANNED))
    async with database.begin() as session:
        row = await recoveries.get(session, recovery.recovery_id)
        assert await recoveries.get(session, "recovery-stripe-in_unknown") is None
    assert row is not None
    expected = {
        "recovery_id": "recovery-stripe-in_fields", "workflow_id": "recovery-stripe-in_fields", "provider": "stripe",
        "invoice_id": "in_fields", "customer_id": "cus_1", "amount": 500, "currency": "EUR", "state": "waiting",
        "category": "SOFT_DECLINE", "cause": "GENERIC", "segment": "default", "strategy": "fixed_ladder",
        "attempts_used": 0, "attempts_allowed": 4, "next_attempt_at": NOW + timedelta(hours=3), "opened_at": NOW,
        "closed_at": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert {name: row[name] for name in recoveries.view(recovery)} == recoveries.view(recovery)


async def test_pages_hold_every_row_once_newest_first(database: Database) -> None:
    for n in range(23):
        at = NOW - SECOND * (n // 3)  # several share one moment
        await put(database, f"in_page_{n:02}", failed(at=at, customer_id="cus_page"))
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await found(database, 5, cursor, customer_id="cus_page")
        seen += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert len({row["invoice_id"] for row in seen}) == len(seen) == 23
    assert seen == sorted(seen, key=lambda row: (row["opened_at"], row["recovery_id"]), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "ü", "aGVsbG8", "MjAyNi0wOS0wMQ", "MjAyNi0wOS0wMVQwMDowMDowMFogYQBi"])
async def test_a_cursor_of_somebody_else_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await found(database, 5, cursor)


async def test_filters_narrow_together(database: Database) -> None:
    await put(database, "in_50%_off", failed(customer_id="cus_Filter"), *DECIDED)
    await put(database, "in_500", failed(customer_id="cus_Filter"), provider="adyen")
    await put(database, "in_ended", failed(customer_id="cus_Filter"), canceled())
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["in_ended", "in_50%_off", "in_500"]),
        ({"state": "canceled"}, ["in_ended"]),
        ({"provider": "adyen"}, ["in_500"]),
        ({"category": "SOFT_DECLINE", "segment": "default"}, ["in_50%_off"]),
        ({"state": "canceled", "provider": "adyen"}, []),
        ({"q": "0%_"}, ["in_50%_off"]),
        ({"q": "IN_50"}, ["in_50%_off", "in_500"]),
        ({"q": "filter"}, ["in_ended", "in_50%_off", "in_500"]),
        ({"q": "' OR 1=1 --"}, []),
    ]
    for filters, expected in cases:
        page = await found(database, customer_id="cus_Filter", **filters)
        assert sorted(invoices(page.items)) == sorted(expected), filters


async def test_open_ones_of_a_customer_and_the_one_of_a_charge(database: Database) -> None:
    theirs: dict[str, Any] = {"customer_id": "cus_charge"}
    await put(database, "in_c1", failed(**theirs), event(EventType.CHARGE_DECLINED, charge_id="ch_a"))
    await put(database, "in_c2", failed(**theirs, failure={"charge_id": "ch_b"}))
    await put(database, "in_c3", failed(**theirs), canceled())
    async with database.begin() as session:
        assert invoices(await recoveries.open_of_customer(session, "stripe", "cus_charge")) == ["in_c1", "in_c2"]
        assert await recoveries.open_of_customer(session, "adyen", "cus_charge") == []
        assert invoices(await recoveries.by_charge(session, "stripe", ["ch_b", "ch_z"])) == ["in_c2"]
        assert invoices(await recoveries.by_charge(session, "stripe", ["ch_a"])) == ["in_c1"]
        assert await recoveries.by_charge(session, "stripe", []) == []


async def test_overdue_is_what_should_have_happened_and_did_not(database: Database) -> None:
    due, hour = NOW + timedelta(hours=3), timedelta(hours=1)
    await put(database, "in_due", failed(provider_attempt=1), *DECIDED, planned(due))
    await put(database, "in_far", failed(), *DECIDED, planned(due + 9 * hour))
    await put(database, "in_paused", failed(), *DECIDED, planned(due), event(EventType.PAUSED))
    await put(database, "in_asked", failed(), *DECIDED, event(EventType.RETRY_SKIPPED, until=LATER))
    await put(database, "in_stuck", failed())
    await put(database, "in_over", failed(), canceled())

    async def late(now: datetime) -> set[str]:
        async with database.begin() as session:
            rows = await recoveries.overdue(session, now, hour, 1000)
        return set(invoices(rows)) & {"in_due", "in_far", "in_paused", "in_asked", "in_stuck", "in_over"}

    assert await late(NOW + hour) == set()
    assert await late(NOW + hour + SECOND) == {"in_stuck"}
    assert await late(due + hour + SECOND) == {"in_stuck", "in_due", "in_asked"}


async def test_the_least_recently_checked_open_ones_come_first(database: Database) -> None:
    names = [(await put(database, f"in_check_{n}", failed())).recovery_id for n in range(3)]
    async with database.begin() as session:
        everybody = [row["recovery_id"] for row in await recoveries.least_recently_checked(session, 1000)]
        await recoveries.mark_checked(session, everybody, NOW)
        await recoveries.mark_checked(session, names[:1], NOW - SECOND)
        first = (await recoveries.least_recently_checked(session, 1))[0]
    assert set(names) <= set(everybody)
    assert first["recovery_id"] == names[0]
    assert not any(State(row["state"]).final for row in (await found(database, q="in_check")).items)


async def test_states_are_counted(database: Database) -> None:
    async with database.begin() as session:
        before = await recoveries.counts_by_state(session)
    await put(database, "in_count", failed(), canceled())
    async with database.begin() as session:
        assert (await recoveries.counts_by_state(session))["canceled"] == before.get("canceled", 0) + 1


async def test_history_sums_up_the_other_recoveries_of_a_customer(database: Database) -> None:
    paid = Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"source": "read"})
    first = datetime(2026, 5, 1, tzinfo=UTC)
    theirs: dict[str, Any] = {"customer_id": "cus_hist"}
    await put(database, "in_h1", failed(at=first, **theirs), paid)
    await put(database, "in_h2", failed(**theirs, currency="USD", amount=70), paid)
    await put(database, "in_h3", failed(**theirs), event(EventType.RETRY_SKIPPED, action="stop", reason="stop"))
    await put(database, "in_h4", failed(**theirs), canceled())
    await put(database, "in_h5", failed(**theirs))
    mine = await put(database, "in_h6", failed(**theirs))
    async with database.begin() as session:
        history = await customer_history(session, "stripe", "cus_hist", mine.recovery_id)
        nobody = await customer_history(session, "stripe", None, mine.recovery_id)
        stranger = await customer_history(session, "stripe", "cus_new", mine.recovery_id)
    assert (history.successes, history.failures, history.open_recoveries) == (2, 1, 1)
    assert history.recovered_amounts == {"EUR": 500, "USD": 70}
    assert history.first_seen_at == first
    assert nobody == stranger
    assert nobody.first_seen_at is None
