"""Every cent of every story is in the sums once: parts, refunds before the end and after it, money that comes late."""

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
from db.repositories import event_log, figures, summary
from db.repositories.dashboard import overview
from db.repositories.figures import Basis, Dimension, Figure
from db.repositories.history import customer_history
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.stories import NOW, blank, canceled, event, failed, part

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE, UNTIL = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
NUMBERS = count()
MONEY = ("at_risk", "recovered", "lost", "paid_late", "returned")
PAID = event(EventType.PAID_ELSEWHERE, source="read")
OUT_OF_SCOPE = event(EventType.RETRY_SKIPPED, action="out_of_scope", reason="send_invoice", why="it is sent to be paid")
ENDS: Mapping[str, Event] = {
    "paid": PAID,
    "canceled": canceled(),
    "stopped": event(EventType.RETRY_SKIPPED, action="stop", reason="stop_instruction"),
    "voided": event(EventType.CLOSED_ELSEWHERE, why="voided"),
    "out of scope": OUT_OF_SCOPE,
}


class Story(NamedTuple):
    """One recovery: what happens before it ends, how it ends, and what comes behind that."""

    currency: str
    amount: int
    opened_at: datetime
    rows: list[Event]
    end: str | None
    ended_at: datetime
    late: list[Event]


def part_charged(amount: int, asked: int) -> tuple[Event, Event]:
    """A charge that brings less than it asked for."""
    requested = event(EventType.CHARGE_REQUESTED, amount=asked, idempotency_key=f"k{next(NUMBERS)}")
    return requested, event(EventType.CHARGE_SUCCEEDED, amount=amount)


def late(kind: EventType, amount: int) -> Event:
    """Money behind the end."""
    return event(kind, amount=amount, currency="EUR", kind="refund", event_id=f"evt_late_{next(NUMBERS)}")


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Sums that fit each other, as providers tell them; nothing behind the end where there is none."""
    amount = owed = draw(st.integers(2, 10_000))
    rows: list[Event] = []
    came = 0
    for _ in range(draw(st.integers(0, 4))):
        move = draw(st.sampled_from(["part", "charge", "refund", "reversal"]))
        if move in {"part", "charge"} and owed > 1:
            brought = draw(st.integers(1, owed - 1))
            rows += part_charged(brought, owed) if move == "charge" else [part(brought, owed - brought)]
            owed, came = owed - brought, came + brought
        elif move in {"refund", "reversal"} and came:
            back = draw(st.integers(1, came))
            rows.append(
                event(EventType.PAYMENT_REFUNDED if move == "refund" else EventType.PAYMENT_REVERSED, amount=back)
            )
            owed, came = owed + (back if move == "reversal" else 0), came - back
    end = draw(st.sampled_from([None, "charged", *ENDS]))
    behind = [EventType.PAYMENT_REFUNDED, EventType.PAYMENT_REVERSED, EventType.PAYMENT_LATE]
    some = draw(st.lists(st.tuples(st.sampled_from(behind), st.integers(1, 500)), max_size=3)) if end else []
    opened_at = SINCE + draw(st.integers(0, 100)) * HOUR
    return Story(
        currency=draw(st.sampled_from(["EUR", "usd"])),
        amount=amount,
        opened_at=opened_at,
        rows=rows,
        end=end,
        ended_at=opened_at + draw(st.integers(0, 100)) * HOUR,
        late=[late(kind, sum_) for kind, sum_ in some],
    )


async def begin(database: Database, story: Story) -> str:
    """Its rows up to the end; the name of its log."""
    recovery = blank(f"in_money_{next(NUMBERS)}")
    opening = failed(story.opened_at, amount=story.amount, currency=story.currency, event_id=recovery.invoice_id)
    charged = (event(EventType.CHARGE_REQUESTED, idempotency_key="last"), event(EventType.CHARGE_SUCCEEDED))
    end = charged if story.end == "charged" else (ENDS[story.end],) if story.end else ()
    async with database.begin() as session:
        await event_log.append(session, recovery, [opening], story.opened_at)
        opened = await event_log.recovery(session, recovery.recovery_id)
        assert opened
        rows = [*story.rows, *end]
        rows = [one.having(**_whole(story, one)) for one in rows]
        if rows:
            await event_log.append(session, opened, rows, story.ended_at)
    return recovery.invoice_id


def _whole(story: Story, row: Event) -> dict[str, Any]:
    """The last charge asks for what is open then."""
    if row.data.get("idempotency_key") != "last":
        return {}
    return {"amount": _plain([(str(one.type), one.data.stored) for one in story.rows], story.amount).owed}


class Plain(NamedTuple):
    """What one log says of money, added up row by row."""

    owed: int
    came: int = 0
    late: int = 0
    back: int = 0
    refunded: int = 0
    """Before the end, of what had come."""
    state: str | None = None
    reason: str | None = None

    def figures(self) -> dict[str, int]:
        """As the sums name it."""
        lost = self.state not in {None, "recovered"} and self.reason != "out_of_scope"
        return {
            "at_risk": self.owed if self.state is None else 0,
            "recovered": self.came + (self.owed if self.state == "recovered" else 0),
            "lost": self.owed if lost else 0,
            "paid_late": self.late,
            "returned": self.back,
        }


def _plain(rows: list[tuple[str, Mapping[str, Any]]], amount: int) -> Plain:
    """Without the machine: arithmetic over types and sums."""
    sums = Plain(owed=amount)
    for kind, data in rows:
        moved = data.get("amount") or 0
        match kind:
            case "recovery.closed":
                sums = sums._replace(state=data["state"], reason=data["reason"])
            case "payment.late":
                sums = sums._replace(late=sums.late + moved)
            case "payment.refunded" | "payment.reversed" if sums.state:
                sums = sums._replace(back=sums.back + moved)
            case "payment.refunded":
                sums = sums._replace(came=sums.came - moved, refunded=sums.refunded + moved)
            case "payment.reversed":
                sums = sums._replace(came=sums.came - moved, owed=sums.owed + moved)
            case "invoice.paid_elsewhere" | "charge.succeeded" if moved:
                sums = sums._replace(came=sums.came + moved, owed=sums.owed - moved)
    return sums


async def expected(database: Database, told: Mapping[str, Story]) -> dict[str, dict[str, int]]:
    """The sums per currency, out of the rows as they are stored; every cent of each invoice is somewhere."""
    total: dict[str, dict[str, int]] = {}
    for invoice, story in told.items():
        async with database.begin() as session:
            rows = await event_log.rows(session, blank(invoice).recovery_id)
        plain = _plain([(row["type"], row["data"]) for row in rows], story.amount)
        mine = plain.figures()
        elsewhere = plain.refunded + (plain.owed if plain.reason == "out_of_scope" else 0)
        assert mine["at_risk"] + mine["recovered"] + mine["lost"] + elsewhere == story.amount
        known = total.setdefault(story.currency.upper(), dict.fromkeys(MONEY, 0))
        for name in MONEY:
            known[name] += mine[name]
    return total


async def read(database: Database, **how: Any) -> list[Figure]:
    async with database.begin() as session:
        return await figures.read(session, SINCE, UNTIL, **how)


async def refresh(database: Database) -> int:
    async with database.begin() as session:
        return await figures.refresh(session, 1000)


def by_currency(found: list[Figure]) -> dict[str, dict[str, int]]:
    names = sorted({one.currency for one in found})
    return {
        name: {column: figures.total([one for one in found if one.currency == name], column) for column in MONEY}
        for name in names
    }


def emptied(addresses: Addresses) -> None:
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("TRUNCATE recovery, network_attempt, recovery_figure, recovery_touched")


@pytest.fixture(autouse=True)
def empty(addresses: Addresses) -> None:
    """No recovery and no figure."""
    emptied(addresses)


@given(told=st.lists(stories(), min_size=1, max_size=4), kept=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_sums_are_what_the_logs_add_up_to(
    database: Database, addresses: Addresses, told: list[Story], kept: bool
) -> None:
    emptied(addresses)
    names = {await begin(database, story): story for story in told}
    if kept:
        await refresh(database)  # days are closed before the late money comes
    for invoice, story in names.items():
        for row in story.late:
            async with database.begin() as session:
                assert await event_log.append_late(session, "stripe", invoice, row, story.ended_at + DAY)
    wanted = await expected(database, names)
    assert by_currency(await read(database)) == wanted
    assert by_currency(await read(database, dimensions=(Dimension.CAUSE,))) == wanted
    await refresh(database)
    assert by_currency(await read(database)) == wanted
    async with database.begin() as session:
        for group in await summary.sums(session, ("currency",), SINCE, UNTIL):
            sums = wanted[str(group.keys[0])]
            assert group.sums.net == sums["recovered"] + sums["paid_late"] - sums["returned"]
    for invoice in names:
        assert (await audit.verify(database, blank(invoice).recovery_id)).clean


async def test_late_money_touches_the_days_of_opening_and_end_and_no_other(database: Database) -> None:
    story = Story("EUR", 500, SINCE + DAY, [], "paid", SINCE + 9 * DAY, [])
    invoice = await begin(database, story)
    await begin(database, story._replace(opened_at=SINCE + 5 * DAY, ended_at=SINCE + 6 * DAY))
    await refresh(database)
    async with database.begin() as session:
        row = late(EventType.PAYMENT_REVERSED, 200)
        await event_log.append_late(session, "stripe", invoice, row, SINCE + 40 * DAY)
        touched = (await session.exec_driver_sql("SELECT basis, day FROM recovery_touched")).all()
    days = {("opened", (SINCE + DAY).date()), ("closed", (SINCE + 9 * DAY).date())}
    assert {tuple(one) for one in touched} == days
    ended = await read(database, basis=Basis.CLOSED, daily=True)
    assert [(one.day, one.recovered, one.returned) for one in ended] == [
        ((SINCE + 6 * DAY).date(), 500, 0), ((SINCE + 9 * DAY).date(), 500, 200),
    ]  # fmt: skip
    assert await refresh(database) == 2


async def test_what_is_not_ours_is_neither_lost_nor_at_risk_but_every_other_cancel_is(database: Database) -> None:
    for end in ("out of scope", "canceled", "voided"):
        await begin(database, Story("EUR", 500, SINCE, [part(100, 400)], end, SINCE + HOUR, []))
    async with database.begin() as session:
        shown = (await overview(session, SINCE, UNTIL)).currencies[0]
    assert (shown.opened.at_risk, shown.opened.lost, shown.opened.lost_count) == (0, 800, 2)
    assert (shown.opened.recovered, shown.opened.recovered_count) == (300, 0)
    assert [(one.lost, one.lost_count) for one in shown.ended_by_day] == [(800, 2)]


async def test_a_customers_history_knows_net_money_and_no_failure_out_of_scope(database: Database) -> None:
    names = [
        await begin(database, Story("EUR", 500, SINCE, [part(100, 400)], end, SINCE + HOUR, []))
        for end in ("paid", "out of scope", "stopped")
    ]
    async with database.begin() as session:
        row = late(EventType.PAYMENT_REFUNDED, 150)
        await event_log.append_late(session, "stripe", names[0], row, NOW)
        past = await customer_history(session, "stripe", "cus_1", "recovery-stripe-none")
    assert (past.successes, past.failures, past.open_recoveries) == (1, 1, 0)
    assert past.recovered_amounts == {"EUR": 500 - 150 + 100 + 100}


async def test_a_refund_between_the_payment_and_the_end_is_money_that_went_back(database: Database) -> None:
    """The end waits while a charge is in flight; what was paid meanwhile and goes back must not get lost."""
    rows = [
        event(EventType.CHARGE_REQUESTED),
        PAID,
        event(EventType.PAYMENT_REFUNDED, amount=80),
        event(EventType.PAYMENT_REVERSED, amount=20, kind="chargeback"),
        event(EventType.CHARGE_RECONCILED, outcome="not_charged", reason="no_trace"),
    ]
    await begin(database, Story("EUR", 500, SINCE, rows, None, SINCE + HOUR, []))
    assert by_currency(await read(database))["EUR"] == {
        "at_risk": 0, "recovered": 500, "lost": 0, "paid_late": 0, "returned": 100,
    }  # fmt: skip
