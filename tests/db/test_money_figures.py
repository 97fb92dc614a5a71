"""Every cent of every recovery is in the sums once: parts, refunds before and after the end, late money."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.events import Event, EventType
from db import audit
from db.queries import figure_refresh, figures, recovery_rows, summary
from db.queries.customer_history import customer_history
from db.queries.dashboard import load_overview
from db.queries.figures import Basis, Dimension, Figure
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event, part_payment

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE, UNTIL = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
NUMBERS = count()
MONEY = ("at_risk", "recovered", "lost", "paid_late", "returned")
PAID = event_of(EventType.PAID_ELSEWHERE, source="read")
OUT_OF_SCOPE = event_of(
    EventType.RETRY_SKIPPED, action="out_of_scope", reason="send_invoice", why="it is sent to be paid"
)
ENDS: Mapping[str, Event] = {
    "paid": PAID,
    "canceled": canceled_event(),
    "stopped": event_of(EventType.RETRY_SKIPPED, action="stop", reason="stop_instruction"),
    "voided": event_of(EventType.CLOSED_ELSEWHERE, why="voided"),
    "out of scope": OUT_OF_SCOPE,
}


class MoneyCase(NamedTuple):
    """One recovery: the events before its end, the end, and the money after it."""

    currency: str
    amount: int
    opened_at: datetime
    rows: list[Event]
    end: str | None
    ended_at: datetime
    late: list[Event]


def part_charged(amount: int, requested_amount: int) -> tuple[Event, Event]:
    """The events of a charge that brings less than it asked for."""
    requested = event_of(EventType.CHARGE_REQUESTED, amount=requested_amount, idempotency_key=f"k{next(NUMBERS)}")
    return requested, event_of(EventType.CHARGE_SUCCEEDED, amount=amount)


def late_money_event(kind: EventType, amount: int) -> Event:
    """An event about money after the end."""
    return event_of(kind, amount=amount, currency="EUR", kind="refund", event_id=f"evt_late_{next(NUMBERS)}")


@st.composite
def money_cases(draw: st.DrawFn) -> MoneyCase:
    """Cases whose sums are consistent, as providers report them."""
    amount = owed = draw(st.integers(2, 10_000))
    rows: list[Event] = []
    charged = 0
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["part", "charge", "refund", "reversal"]))
        if kind in {"part", "charge"} and owed > 1:
            brought = draw(st.integers(1, owed - 1))
            rows += part_charged(brought, owed) if kind == "charge" else [part_payment(brought, owed - brought)]
            owed, charged = owed - brought, charged + brought
        elif kind in {"refund", "reversal"} and charged:
            back = draw(st.integers(1, charged))
            rows.append(
                event_of(EventType.PAYMENT_REFUNDED if kind == "refund" else EventType.PAYMENT_REVERSED, amount=back)
            )
            owed, charged = owed + (back if kind == "reversal" else 0), charged - back
    end = draw(st.sampled_from([None, "charged", *ENDS]))
    behind = [EventType.PAYMENT_REFUNDED, EventType.PAYMENT_REVERSED, EventType.PAYMENT_LATE]
    some = draw(st.lists(st.tuples(st.sampled_from(behind), st.integers(1, 500)), max_size=3)) if end else []
    opened_at = SINCE + draw(st.integers(0, 100)) * HOUR
    return MoneyCase(
        currency=draw(st.sampled_from(["EUR", "usd"])),
        amount=amount,
        opened_at=opened_at,
        rows=rows,
        end=end,
        ended_at=opened_at + draw(st.integers(0, 100)) * HOUR,
        late=[late_money_event(kind, sum_) for kind, sum_ in some],
    )


async def write_until_end(database: Database, case: MoneyCase) -> str:
    """Writes the rows up to the end. Returns the recovery's id."""
    recovery = blank_recovery(f"in_money_{next(NUMBERS)}")
    opening = failed_event(case.opened_at, amount=case.amount, currency=case.currency, event_id=recovery.invoice_id)
    charged = (event_of(EventType.CHARGE_REQUESTED, idempotency_key="last"), event_of(EventType.CHARGE_SUCCEEDED))
    end = charged if case.end == "charged" else (ENDS[case.end],) if case.end else ()
    async with database.begin() as session:
        await event_log.append_to_log(session, recovery, [opening], case.opened_at)
        opened = await event_log.load_recovery(session, recovery.recovery_id)
        assert opened
        rows = [*case.rows, *end]
        rows = [row.having(**_row_data(case, row)) for row in rows]
        if rows:
            await event_log.append_to_log(session, opened, rows, case.ended_at)
    return recovery.invoice_id


def _row_data(case: MoneyCase, row: Event) -> dict[str, Any]:
    """The replaced data of a row: the last charge asks for what is open then."""
    if row.data.get("idempotency_key") != "last":
        return {}
    return {"amount": _sum_log([(str(row.type), row.data.stored) for row in case.rows], case.amount).owed}


class LogSums(NamedTuple):
    """The sums of one log, added up row by row."""

    owed: int
    received: int = 0
    received_late: int = 0
    returned: int = 0
    refunded: int = 0
    """Before the end, of what had come."""
    state: str | None = None
    reason: str | None = None

    def to_figures(self) -> dict[str, int]:
        """The sums by the names of the figures."""
        is_lost = self.state not in {None, "recovered"} and self.reason != "out_of_scope"
        return {
            "at_risk": self.owed if self.state is None else 0,
            "recovered": self.received + (self.owed if self.state == "recovered" else 0),
            "lost": self.owed if is_lost else 0,
            "paid_late": self.received_late,
            "returned": self.returned,
        }


def _sum_log(rows: list[tuple[str, Mapping[str, Any]]], amount: int) -> LogSums:
    """The sums of a log, by arithmetic over types and amounts, without the machine."""
    sums = LogSums(owed=amount)
    for kind, data in rows:
        charged = data.get("amount") or 0
        match kind:
            case "recovery.closed":
                sums = sums._replace(state=data["state"], reason=data["reason"])
            case "payment.late":
                sums = sums._replace(received_late=sums.received_late + charged)
            case "payment.refunded" | "payment.reversed" if sums.state:
                sums = sums._replace(returned=sums.returned + charged)
            case "payment.refunded":
                sums = sums._replace(received=sums.received - charged, refunded=sums.refunded + charged)
            case "payment.reversed":
                sums = sums._replace(received=sums.received - charged, owed=sums.owed + charged)
            case "invoice.paid_elsewhere" | "charge.succeeded" if charged:
                sums = sums._replace(received=sums.received + charged, owed=sums.owed - charged)
    return sums


async def expected_figures(database: Database, cases: Mapping[str, MoneyCase]) -> dict[str, dict[str, int]]:
    """The sums per currency from the stored rows; every cent of each invoice is in one of them."""
    total: dict[str, dict[str, int]] = {}
    for invoice, scenario in cases.items():
        async with database.begin() as session:
            rows = await recovery_rows.load_rows(session, blank_recovery(invoice).recovery_id)
        plain = _sum_log([(row["type"], row["data"]) for row in rows], scenario.amount)
        figures = plain.to_figures()
        written_off = plain.refunded + (plain.owed if plain.reason == "out_of_scope" else 0)
        assert figures["at_risk"] + figures["recovered"] + figures["lost"] + written_off == scenario.amount
        sums = total.setdefault(scenario.currency.upper(), dict.fromkeys(MONEY, 0))
        for name in MONEY:
            sums[name] += figures[name]
    return total


async def read_figures(database: Database, **options: Any) -> list[Figure]:
    async with database.begin() as session:
        return await figures.read_figures(session, SINCE, UNTIL, **options)


async def refresh_figures(database: Database) -> int:
    async with database.begin() as session:
        return await figure_refresh.refresh_figures(session, 1000)


def figures_by_currency(rows: list[Figure]) -> dict[str, dict[str, int]]:
    names = sorted({figure.currency for figure in rows})
    return {
        name: {
            column: figures.total_of([figure for figure in rows if figure.currency == name], column) for column in MONEY
        }
        for name in names
    }


def empty_tables(addresses: Addresses) -> None:
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("TRUNCATE recovery, network_attempt, recovery_figure, recovery_change")


@pytest.fixture(autouse=True)
def empty(addresses: Addresses) -> None:
    """No recovery and no figure."""
    empty_tables(addresses)


@given(cases=st.lists(money_cases(), min_size=1, max_size=4), is_refreshed=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_sums_equal_those_of_the_logs(
    database: Database, addresses: Addresses, cases: list[MoneyCase], is_refreshed: bool
) -> None:
    empty_tables(addresses)
    names = {await write_until_end(database, case): case for case in cases}
    if is_refreshed:
        await refresh_figures(database)  # days are closed before the late money comes
    for invoice, case in names.items():
        for row in case.late:
            async with database.begin() as session:
                assert await event_log.append_late(session, "stripe", invoice, row, case.ended_at + DAY)
    expected = await expected_figures(database, names)
    assert figures_by_currency(await read_figures(database)) == expected
    assert figures_by_currency(await read_figures(database, dimensions=(Dimension.CAUSE,))) == expected
    await refresh_figures(database)
    assert figures_by_currency(await read_figures(database)) == expected
    async with database.begin() as session:
        found = await summary.load_sums_by_currency(session, (("currency",),), SINCE, UNTIL)
        for group in (one for groups in found.values() for one in groups["currency",]):
            sums = expected[str(group.keys[0])]
            assert group.sums.net == sums["recovered"] + sums["paid_late"] - sums["returned"]
    for invoice in names:
        assert (await audit.verify_log(database, blank_recovery(invoice).recovery_id)).is_clean


async def test_late_money_belongs_to_the_days_of_opening_and_end(database: Database) -> None:
    case = MoneyCase("EUR", 500, SINCE + DAY, [], "paid", SINCE + 9 * DAY, [])
    invoice = await write_until_end(database, case)
    await write_until_end(database, case._replace(opened_at=SINCE + 5 * DAY, ended_at=SINCE + 6 * DAY))
    await refresh_figures(database)
    async with database.begin() as session:
        row = late_money_event(EventType.PAYMENT_REVERSED, 200)
        await event_log.append_late(session, "stripe", invoice, row, SINCE + 40 * DAY)
        noted = (await session.exec_driver_sql("SELECT weight, returned FROM recovery_change ORDER BY 1")).all()
    assert [*map(tuple, noted)] == [(-1, 0), (1, 200)]
    figures = await read_figures(database, basis=Basis.CLOSED, daily=True)
    assert [(figure.day, figure.recovered, figure.returned) for figure in figures] == [
        ((SINCE + 6 * DAY).date(), 500, 0), ((SINCE + 9 * DAY).date(), 500, 200),
    ]  # fmt: skip
    assert await refresh_figures(database) == 2


async def test_out_of_scope_is_neither_lost_nor_at_risk(database: Database) -> None:
    for end in ("out of scope", "canceled", "voided"):
        await write_until_end(database, MoneyCase("EUR", 500, SINCE, [part_payment(100, 400)], end, SINCE + HOUR, []))
    async with database.begin() as session:
        currency = (await load_overview(session, SINCE, UNTIL)).currencies[0]
    assert (currency.opened.at_risk, currency.opened.lost, currency.opened.lost_count) == (0, 800, 2)
    assert (currency.opened.recovered, currency.opened.recovered_count) == (300, 0)
    assert [(day.lost, day.lost_count) for day in currency.ended_by_day] == [(800, 2)]


async def test_a_customers_history_knows_net_money_and_no_failure_out_of_scope(database: Database) -> None:
    names = [
        await write_until_end(database, MoneyCase("EUR", 500, SINCE, [part_payment(100, 400)], end, SINCE + HOUR, []))
        for end in ("paid", "out of scope", "stopped")
    ]
    async with database.begin() as session:
        row = late_money_event(EventType.PAYMENT_REFUNDED, 150)
        await event_log.append_late(session, "stripe", names[0], row, NOW)
        history = await customer_history(session, "stripe", "cus_1", "recovery-stripe-none")
    assert (history.successes, history.failures, history.open_recoveries) == (1, 1, 0)
    assert history.recovered_amounts == {"EUR": 500 - 150 + 100 + 100}


async def test_refund_between_payment_and_end_counts_as_returned(database: Database) -> None:
    """The end waits for a charge in flight; money paid and returned meanwhile must not get lost."""
    rows = [
        event_of(EventType.CHARGE_REQUESTED),
        PAID,
        event_of(EventType.PAYMENT_REFUNDED, amount=80),
        event_of(EventType.PAYMENT_REVERSED, amount=20, kind="chargeback"),
        event_of(EventType.CHARGE_RECONCILED, outcome="not_charged", reason="no_trace"),
    ]
    await write_until_end(database, MoneyCase("EUR", 500, SINCE, rows, None, SINCE + HOUR, []))
    assert figures_by_currency(await read_figures(database))["EUR"] == {
        "at_risk": 0, "recovered": 500, "lost": 0, "paid_late": 0, "returned": 100,
    }  # fmt: skip
