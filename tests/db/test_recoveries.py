"""The read model: recoveries found by every field that a person or a webhook has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import InvalidInput
from core.events import Event, EventType, State, format_timestamp
from core.recovery import machine
from core.recovery.state import Recovery
from db.queries import recovery_search
from db.queries.customer_history import customer_history
from db.queries.recovery_search import RecoveryFilters
from db.repositories import event_log, recoveries
from db.session import Database
from tests.db.recovery_events import LATER, NOW, blank_recovery, canceled_event, event_of, failed_event

SECOND = timedelta(seconds=1)


async def put_recovery(database: Database, invoice_id: str, *events: Event, provider: str = "stripe") -> Recovery:
    """A recovery with these events in its log, appended one by one."""
    recovery = blank_recovery(invoice_id, provider)
    async with database.begin() as session:
        for event in events:
            recovery = machine.fold_records(
                recovery, await event_log.append_to_log(session, recovery, [event], NOW, NOW)
            )
    return recovery


async def find_recoveries(
    database: Database, limit: int = 50, cursor: str | None = None, **filters: Any
) -> recovery_search.RecoveryPage:
    async with database.begin() as session:
        return await recovery_search.search_recoveries(session, RecoveryFilters(**filters), limit=limit, cursor=cursor)


def invoice_ids(rows: Any) -> list[str]:
    return [row["invoice_id"] for row in rows]


def planned_event(at: datetime) -> Event:
    return event_of(EventType.RETRY_PLANNED, at=format_timestamp(at))


DECIDED = (
    event_of(EventType.FAILURE_CLASSIFIED),
    event_of(EventType.CUSTOMER_SEGMENTED),
    event_of(EventType.FRAUD_ASSESSED),
)


async def test_a_row_has_the_fields_of_the_contract(database: Database) -> None:
    recovery = await put_recovery(database, "in_fields", failed_event(), *DECIDED, event_of(EventType.RETRY_PLANNED))
    async with database.begin() as session:
        row = await recoveries.load_recovery_row(session, recovery.recovery_id)
        assert await recoveries.load_recovery_row(session, "recovery-stripe-in_unknown") is None
    assert row is not None
    expected = {
        "recovery_id": "recovery-stripe-in_fields", "workflow_id": "recovery-stripe-in_fields", "provider": "stripe",
        "invoice_id": "in_fields", "customer_id": "cus_1", "amount": 500, "currency": "EUR", "state": "waiting",
        "category": "SOFT_DECLINE", "cause": "GENERIC", "segment": "default", "strategy": "fixed_ladder",
        "attempts_used": 0, "attempts_allowed": 4, "next_attempt_at": NOW + timedelta(hours=3), "opened_at": NOW,
        "closed_at": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert {name: row[name] for name in recoveries.view_recovery(recovery)} == recoveries.view_recovery(recovery)


async def test_pages_hold_every_row_once_newest_first(database: Database) -> None:
    for n in range(23):
        at = NOW - SECOND * (n // 3)  # several share one moment
        await put_recovery(database, f"in_page_{n:02}", failed_event(at=at, customer_id="cus_page"))
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await find_recoveries(database, 5, cursor, customer_id="cus_page")
        rows += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert len({row["invoice_id"] for row in rows}) == len(rows) == 23
    assert rows == sorted(rows, key=lambda row: (row["opened_at"], row["recovery_id"]), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "ü", "aGVsbG8", "MjAyNi0wOS0wMQ", "MjAyNi0wOS0wMVQwMDowMDowMFogYQBi"])
async def test_cursor_of_another_list_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await find_recoveries(database, 5, cursor)


async def test_filters_narrow_together(database: Database) -> None:
    await put_recovery(database, "in_50%_off", failed_event(customer_id="cus_Filter"), *DECIDED)
    await put_recovery(database, "in_500", failed_event(customer_id="cus_Filter"), provider="adyen")
    await put_recovery(database, "in_ended", failed_event(customer_id="cus_Filter"), canceled_event())
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["in_ended", "in_50%_off", "in_500"]),
        ({"states": (State.CANCELED,)}, ["in_ended"]),
        ({"provider": "adyen"}, ["in_500"]),
        ({"category": "SOFT_DECLINE", "segment": "default"}, ["in_50%_off"]),
        ({"states": (State.CANCELED,), "provider": "adyen"}, []),
        ({"q": "0%_"}, ["in_50%_off"]),
        ({"q": "IN_50"}, ["in_50%_off", "in_500"]),
        ({"q": "FILTER"}, ["in_ended", "in_50%_off", "in_500"]),
        ({"q": "' OR 1=1 --"}, []),
    ]
    for filters, expected in cases:
        page = await find_recoveries(database, customer_id="cus_Filter", **filters)
        assert sorted(invoice_ids(page.items)) == sorted(expected), filters


async def test_open_ones_of_a_customer_and_the_one_of_a_charge(database: Database) -> None:
    customer: dict[str, Any] = {"customer_id": "cus_charge"}
    await put_recovery(
        database, "in_c1", failed_event(**customer), event_of(EventType.CHARGE_DECLINED, charge_id="ch_a")
    )
    await put_recovery(database, "in_c2", failed_event(**customer, failure={"charge_id": "ch_b"}))
    await put_recovery(database, "in_c3", failed_event(**customer), canceled_event())
    async with database.begin() as session:
        assert invoice_ids(await recoveries.open_recoveries_of(session, "stripe", "cus_charge")) == ["in_c1", "in_c2"]
        assert await recoveries.open_recoveries_of(session, "adyen", "cus_charge") == []
        assert invoice_ids(await recoveries.recoveries_by_charge(session, "stripe", ["ch_b", "ch_z"])) == ["in_c2"]
        assert invoice_ids(await recoveries.recoveries_by_charge(session, "stripe", ["ch_a"])) == ["in_c1"]
        assert await recoveries.recoveries_by_charge(session, "stripe", []) == []


async def test_overdue_recoveries_have_missed_their_next_attempt(database: Database) -> None:
    due, hour = NOW + timedelta(hours=3), timedelta(hours=1)
    await put_recovery(database, "in_due", failed_event(provider_attempt=1), *DECIDED, planned_event(due))
    await put_recovery(database, "in_far", failed_event(), *DECIDED, planned_event(due + 9 * hour))
    await put_recovery(database, "in_paused", failed_event(), *DECIDED, planned_event(due), event_of(EventType.PAUSED))
    await put_recovery(database, "in_asked", failed_event(), *DECIDED, event_of(EventType.RETRY_SKIPPED, until=LATER))
    await put_recovery(database, "in_stuck", failed_event())
    await put_recovery(database, "in_over", failed_event(), canceled_event())

    async def overdue_ids(now: datetime) -> set[str]:
        async with database.begin() as session:
            rows = await recoveries.overdue_recoveries(session, now, hour, 1000)
        return set(invoice_ids(rows)) & {"in_due", "in_far", "in_paused", "in_asked", "in_stuck", "in_over"}

    assert await overdue_ids(NOW + hour) == set()
    assert await overdue_ids(NOW + hour + SECOND) == {"in_stuck"}
    assert await overdue_ids(due + hour + SECOND) == {"in_stuck", "in_due", "in_asked"}


async def test_least_recently_checked_open_recoveries_come_first(database: Database) -> None:
    names = [(await put_recovery(database, f"in_check_{n}", failed_event())).recovery_id for n in range(3)]
    async with database.begin() as session:
        everybody = [row["recovery_id"] for row in await recoveries.least_recently_checked(session, 1000)]
        await recoveries.mark_checked(session, everybody, NOW)
        await recoveries.mark_checked(session, names[:1], NOW - SECOND)
        first = (await recoveries.least_recently_checked(session, 1))[0]
    assert set(names) <= set(everybody)
    assert first["recovery_id"] == names[0]
    assert not any(State(row["state"]).is_final for row in (await find_recoveries(database, q="in_check")).items)


async def test_states_are_counted(database: Database) -> None:
    async with database.begin() as session:
        before = await recoveries.counts_by_state(session)
    await put_recovery(database, "in_count", failed_event(), canceled_event())
    async with database.begin() as session:
        assert (await recoveries.counts_by_state(session))["canceled"] == before.get("canceled", 0) + 1


async def test_history_sums_up_the_other_recoveries_of_a_customer(database: Database) -> None:
    paid = Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"source": "read"})
    first = datetime(2026, 5, 1, tzinfo=UTC)
    customer: dict[str, Any] = {"customer_id": "cus_hist"}
    await put_recovery(database, "in_h1", failed_event(at=first, **customer), paid)
    await put_recovery(database, "in_h2", failed_event(**customer, currency="USD", amount=70), paid)
    await put_recovery(
        database, "in_h3", failed_event(**customer), event_of(EventType.RETRY_SKIPPED, action="stop", reason="stop")
    )
    await put_recovery(database, "in_h4", failed_event(**customer), canceled_event())
    await put_recovery(database, "in_h5", failed_event(**customer))
    recovery = await put_recovery(database, "in_h6", failed_event(**customer))
    async with database.begin() as session:
        history = await customer_history(session, "stripe", "cus_hist", recovery.recovery_id)
        without_customer = await customer_history(session, "stripe", None, recovery.recovery_id)
        new_customer = await customer_history(session, "stripe", "cus_new", recovery.recovery_id)
    assert (history.successes, history.failures, history.open_recoveries) == (2, 1, 1)
    assert history.recovered_amounts == {"EUR": 500, "USD": 70}
    assert history.first_seen_at == first
    assert without_customer == new_customer
    assert without_customer.first_seen_at is None
