"""The event log as a history: rows written by the repositories and read back as recoveries."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core.errors import InvalidInput
from core.events import Event, EventType, format_timestamp
from core.payments import UNFIT_METHOD, Card, EventKind, Failure, Risk
from core.recovery import machine
from core.recovery.state import Recovery
from db.repositories import event_log
from db.session import Database
from simulator.engines.event_engine import RecoverySimulation
from simulator.history.columns import CHARGED, LOST, OPEN, PAID, STOPPED, History
from simulator.history.event_log import read_event_log
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.cases import NEVER
from simulator.model.outcome_model import OutcomeModels
from simulator.model.success_chances import CAUSES
from simulator.population.synthetic import SyntheticSource
from tests.db.conftest import Addresses
from tests.simulator.made_cases import a_world

THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
STARTED_AT = int(THEN.timestamp())
HOUR = timedelta(hours=1)
FAILURE = {
    "code": "insufficient_funds",
    "network": "visa",
    "network_code": "51",
    "charge_id": "ch_1",
    "method_id": "pm_1",
}
PROFILE = {"invoice_amount": 4_900, "currency": "EUR", "country": "DE", "time_zone": "Europe/Berlin", "tenure_days": 90}


@pytest.fixture
async def database(fresh_database: Callable[..., Addresses], migrated: str) -> AsyncIterator[Database]:
    """An empty database for each test."""
    opened = Database(fresh_database(migrated).writer)
    yield opened
    await opened.close()


def event_at(event_type: EventType, hours: float, attempt: int | None = None, **data: Any) -> Event:
    return Event(type=event_type, occurred_at=THEN + hours * HOUR, attempt=attempt, data=data)


def failed_event(hours: float = 0, **more: Any) -> Event:
    defaults: dict[str, Any] = {"amount": 4_900, "currency": "EUR", "customer_id": "cus_1", "provider_attempt": 1}
    return event_at(EventType.PAYMENT_FAILED, hours, **(defaults | more))


def decision_events(
    hours: float, cause: str = "INSUFFICIENT_FUNDS", card: str = "card_a", version: str = "v1"
) -> list[Event]:
    plan: dict[str, Any] = {
        "at": format_timestamp(THEN + (hours + 3) * HOUR),
        "strategy": "fixed_ladder",
        "policy_version": version,
    }
    facts: dict[str, Any] = {
        "failure": FAILURE,
        "card": {"network": "visa", "country": "DE", "fingerprint": card, "last4": "4242"},
    }
    category = "HARD_DECLINE" if cause == "PERMANENT" else "SOFT_DECLINE"
    made_by: dict[str, Any] = {"policy_version": version}
    return [
        event_at(EventType.FAILURE_CLASSIFIED, hours, category=category, cause=cause, **facts, **made_by),
        event_at(
            EventType.CUSTOMER_SEGMENTED, hours, segment="default", profile=PROFILE, customer_id="cus_1", **made_by
        ),
        event_at(EventType.FRAUD_ASSESSED, hours, level="clear", radar_level="normal", radar_score=12, **made_by),
        event_at(EventType.RETRY_PLANNED, hours, **plan),
    ]


def charge_events(hours: float, attempt: int, end: EventType = EventType.CHARGE_DECLINED, **more: Any) -> list[Event]:
    requested: dict[str, Any] = {"trigger": "scheduled", "idempotency_key": "k", "amount": 4_900, "currency": "EUR"}
    trigger = {"trigger": more.pop("trigger", "scheduled")}
    return [
        event_at(EventType.CHARGE_REQUESTED, hours, attempt, **(requested | trigger)),
        event_at(end, hours, attempt, **more),
    ]


CHARGE_WON = EventType.CHARGE_SUCCEEDED


async def write_recovery(database: Database, invoice: str, *events: Event, provider: str = "stripe") -> Recovery:
    recovery = Recovery(provider=provider, invoice_id=invoice)
    async with database.begin() as session:
        for event in events:
            records = await event_log.append_to_log(session, recovery, [event], THEN)
            recovery = machine.fold_records(recovery, records)
    return recovery


async def write_late_event(database: Database, invoice: str, kind: EventKind, hours: float) -> None:
    data = {"event_id": "evt_late", "event_type": "test", "kind": kind.value}
    async with database.begin() as session:
        late = Event(type=EventType.EVENT_LATE, occurred_at=THEN + hours * HOUR, data=data)
        written = await event_log.append_late(session, "stripe", invoice, late, THEN)
    assert written, "the recovery had ended"


async def test_recovery_is_read_with_its_charges(database: Database) -> None:
    charges = [*charge_events(3, 1), *decision_events(3, "GENERIC")[:1], *charge_events(27, 2, CHARGE_WON)]
    await write_recovery(database, "in_1", failed_event(), *decision_events(0), *charges)
    history = await read_event_log(database)
    assert (history.name, len(history), history.book.names) == ("history", 1, ("in_1",))
    kind, payer = history.book.failures[0], history.book.payers[0]
    assert kind.failure == Failure(code="insufficient_funds", network="visa", network_code="51")
    assert kind.card == Card(network="visa", country="DE")
    assert kind.risk == Risk(level="normal", score=12)
    assert (payer.amount, payer.currency, payer.time_zone, payer.profile.tenure_days) == (
        4_900,
        "EUR",
        "Europe/Berlin",
        90,
    )
    charge_columns = history.charges
    assert (charge_columns.at - STARTED_AT).tolist() == [3 * 3_600, 27 * 3_600]
    assert (charge_columns.waited // 3_600).tolist() == [3, 24]
    assert [CAUSES[cause].value for cause in charge_columns.cause] == ["INSUFFICIENT_FUNDS", "GENERIC"]
    assert (charge_columns.retry.tolist(), charge_columns.won.tolist(), charge_columns.scheduled.tolist()) == (
        [1, 2],
        [False, True],
        [True, True],
    )
    assert (history.end.tolist(), history.decisions) == ([CHARGED], {"v1": 2})
    assert history.closed_at.tolist() == [STARTED_AT + 27 * 3_600]


async def test_unanswered_charge_is_skipped_and_a_reconciled_one_counts(database: Database) -> None:
    reconciled = EventType.CHARGE_RECONCILED
    unknown = event_at(EventType.CHARGE_UNKNOWN, 3, 1, reason="timeout")
    requested, reconciled_charge = charge_events(3, 1, reconciled, outcome="declined")
    await write_recovery(
        database, "in_found", failed_event(), *decision_events(0), requested, unknown, reconciled_charge
    )
    await write_recovery(
        database,
        "in_none",
        failed_event(),
        *decision_events(0),
        *charge_events(3, 1, reconciled, outcome="not_charged"),
    )
    await write_recovery(database, "in_open", failed_event(), *decision_events(0), charge_events(3, 1)[0])
    history = await read_event_log(database)
    assert [history.book.names[row] for row in history.charges.recovery] == ["in_found"]
    assert history.end.tolist() == [OPEN] * 3


async def test_operators_and_another_card_use_no_budget(database: Database) -> None:
    by_hand = [*charge_events(1, 1, trigger="manual"), *decision_events(1)[:1]]
    update = event_at(EventType.METHOD_UPDATED, 2, method_id="pm_2", method_version="pm_2:1")
    other = [*charge_events(2, 2, trigger="payment_method_change"), *decision_events(2, card="card_b")[:1]]
    await write_recovery(
        database,
        "in_1",
        failed_event(),
        *decision_events(0),
        *by_hand,
        update,
        *other,
        *charge_events(26, 3, CHARGE_WON),
    )
    history = await read_event_log(database)
    assert history.charges.retry.tolist() == [1, 1, 1]
    assert history.charges.scheduled.tolist() == [False, False, True]
    assert history.charges.fresh.tolist() == [False, True, False]
    assert history.method_at.tolist() == [STARTED_AT + 2 * 3_600]


async def test_customer_actions_after_the_end_are_read(database: Database) -> None:
    closing = event_at(EventType.RETRY_SKIPPED, 3, action="give_up", reason="budget")
    for invoice in ("in_paid", "in_card", "in_nothing"):
        recovery = await write_recovery(
            database,
            invoice,
            failed_event(),
            *decision_events(0),
            *charge_events(3, 1),
            *decision_events(3)[:1],
            closing,
        )
        assert recovery.stage.value == "exhausted"
    await write_late_event(database, "in_paid", EventKind.INVOICE_PAID, 50)
    await write_late_event(database, "in_card", EventKind.METHOD_UPDATED, 60)
    history = await read_event_log(database)
    rows = {name: row for row, name in enumerate(history.book.names)}
    assert (history.end == LOST).all()
    assert history.paid_at[rows["in_paid"]] == STARTED_AT + 50 * 3_600
    assert history.method_at[rows["in_card"]] == STARTED_AT + 60 * 3_600
    assert history.paid_at[rows["in_nothing"]] == NEVER
    assert history.watched_until.tolist() == [STARTED_AT + 60 * 3_600] * 3


async def write_late_money(database: Database, invoice: str, hours: float, amount: int) -> None:
    data = {"event_id": f"evt_{hours}", "event_type": "test", "amount": amount, "currency": "EUR"}
    async with database.begin() as session:
        money = Event(type=EventType.PAYMENT_LATE, occurred_at=THEN + hours * HOUR, data=data)
        assert await event_log.append_late(session, "stripe", invoice, money, THEN)


async def test_late_money_is_a_payment_when_complete(database: Database) -> None:
    give_up = [*decision_events(0), event_at(EventType.RETRY_SKIPPED, 3, action="give_up", reason="budget")]
    for invoice in ("in_whole", "in_part", "in_parts"):
        await write_recovery(database, invoice, failed_event(), *give_up)
    await write_late_money(database, "in_whole", 50, 4_900)
    await write_late_money(database, "in_part", 50, 4_800)
    for hours in (50, 60):
        await write_late_money(database, "in_parts", hours, 2_450)
    assert _hours_to_payment(await read_event_log(database)) == {"in_whole": 50, "in_part": None, "in_parts": 60}


async def test_partial_payment_is_no_payment_until_the_rest(database: Database) -> None:
    part = event_at(EventType.PAID_ELSEWHERE, 2, amount=4_000, remaining=900)
    give_up = event_at(EventType.RETRY_SKIPPED, 3, action="give_up", reason="budget")
    await write_recovery(database, "in_open", failed_event(), *decision_events(0), part)
    await write_recovery(
        database, "in_paid", failed_event(), *decision_events(0), part, event_at(EventType.PAID_ELSEWHERE, 9)
    )
    await write_recovery(database, "in_late", failed_event(), *decision_events(0), part, give_up)
    await write_late_money(database, "in_late", 50, 900)
    history = await read_event_log(database)
    assert _hours_to_payment(history) == {"in_open": None, "in_paid": 9, "in_late": 50}
    assert {payer.amount for payer in history.book.payers} == {4_900}


def _hours_to_payment(history: History) -> dict[str, int | None]:
    """The hours from failure to a payment without a charge, by invoice."""
    hours = [None if at == NEVER else (at - STARTED_AT) // 3_600 for at in history.paid_at.tolist()]
    return dict(zip(history.book.names, hours, strict=True))


def decision_with_window(hours: float) -> list[Event]:
    """The events of a decision with this end of its window."""
    ends = {"window_ends_at": format_timestamp(THEN + hours * HOUR)}
    rows = decision_events(0)
    return [row.having(**ends) if "profile" in row.data else row for row in rows]


async def test_a_payment_in_the_window_counts_whichever_release_closed_before_it(database: Database) -> None:
    give_up = event_at(EventType.RETRY_SKIPPED, 3, action="give_up", reason="budget")
    for invoice in ("in_window", "in_card", "behind"):
        recovery = await write_recovery(database, invoice, failed_event(), *decision_with_window(100), give_up)
        assert recovery.stage.value == "exhausted"
    await write_late_money(database, "in_window", 100, 4_900)
    await write_late_event(database, "in_card", EventKind.METHOD_UPDATED, 60)
    await write_late_money(database, "behind", 101, 4_900)
    history = await read_event_log(database)
    ends = dict(zip(history.book.names, history.end.tolist(), strict=True))
    assert ends == {"in_window": PAID, "in_card": LOST, "behind": LOST}
    assert history.cards_not_charged == 1
    assert history.window_ends.tolist() == [STARTED_AT + 100 * 3_600] * 3


async def test_events_during_the_last_part_of_the_window_are_read(database: Database) -> None:
    """As today's release writes it: the recovery waits, is paid or gets a card, and ends."""
    give_up = event_at(
        EventType.RETRY_SKIPPED, 3, action="give_up", reason="budget", until=format_timestamp(THEN + 100 * HOUR)
    )
    card = event_at(EventType.METHOD_UPDATED, 60, method_id="pm_2", method_version="pm_2:1")
    own = charge_events(60, 1, CHARGE_WON, trigger="payment_method_change")
    open_recovery = await write_recovery(database, "in_open", failed_event(), *decision_with_window(100), give_up)
    await write_recovery(
        database, "in_paid", failed_event(), *decision_with_window(100), give_up, event_at(EventType.PAID_ELSEWHERE, 50)
    )
    await write_recovery(database, "in_card", failed_event(), *decision_with_window(100), give_up, card, *own)
    assert open_recovery.stage.value == "awaiting_customer"
    history = await read_event_log(database)
    assert dict(zip(history.book.names, history.end.tolist(), strict=True)) == {
        "in_open": OPEN,
        "in_paid": PAID,
        "in_card": CHARGED,
    }
    assert history.charges.fresh.tolist() == [True]


async def test_an_unfit_method_moves_no_wait(database: Database) -> None:
    unfit = charge_events(1, 1, EventType.CHARGE_RECONCILED, outcome="not_charged", reason=UNFIT_METHOD)
    await write_recovery(database, "in_1", failed_event(), *decision_events(0), *unfit, *charge_events(3, 2))
    assert (await read_event_log(database)).charges.waited.tolist() == [3 * 3_600]


ENDS = [
    (event_at(EventType.PAID_ELSEWHERE, 9, source="webhook"), PAID),
    (event_at(EventType.CLOSED_ELSEWHERE, 9, why="voided"), STOPPED),
    (event_at(EventType.CANCEL_REQUESTED, 9, actor="ann", reason="enough"), STOPPED),
    (event_at(EventType.DISPUTE_OPENED, 9, kind="dispute"), STOPPED),
    (event_at(EventType.RETRY_SKIPPED, 9, action="stop", reason="stop_instruction"), LOST),
]


@pytest.mark.parametrize(("event", "end"), ENDS, ids=[event.type.value for event, _ in ENDS])
async def test_every_ending_is_read(database: Database, event: Event, end: int) -> None:
    await write_recovery(database, "in_1", failed_event(), *decision_events(0), event)
    history = await read_event_log(database)
    assert history.end.tolist() == [end]
    assert (history.paid_at != NEVER).tolist() == [end == PAID]


async def test_tries_of_a_card_in_recoveries_before_are_known(database: Database) -> None:
    later = [event.model_copy(update={"occurred_at": event.occurred_at + 200 * HOUR}) for event in decision_events(0)]
    other = [
        event.model_copy(update={"occurred_at": event.occurred_at + 200 * HOUR})
        for event in decision_events(0, card="card_b")
    ]
    await write_recovery(
        database, "in_1", failed_event(), *decision_events(0), *charge_events(3, 1), *decision_events(3)[:1]
    )
    await write_recovery(database, "in_2", failed_event(200), *later)
    await write_recovery(database, "in_3", failed_event(200), *other)
    await write_recovery(
        database, "in_4", failed_event(200, amount=100), *[_with_amount(event, 100) for event in later]
    )
    history = await read_event_log(database)
    row = history.book.names.index("in_2")
    assert history.earlier == {row: (STARTED_AT, STARTED_AT + 3 * 3_600)}


def _with_amount(event: Event, amount: int) -> Event:
    profile = event.data.get("profile")
    if profile is None:
        return event
    return event.having(profile=profile | {"invoice_amount": amount})


async def test_history_is_read_within_its_filters(database: Database) -> None:
    await write_recovery(database, "in_old", failed_event(), *decision_events(0))
    await write_recovery(database, "in_new", failed_event(24 * 40), *decision_events(24 * 40))
    for number in range(3):
        await write_recovery(database, f"in_other_{number}", failed_event(), *decision_events(0), provider="elsewhere")
    since = await read_event_log(database, since=date(2026, 4, 1), provider="stripe")
    assert (since.book.names, since.left_out) == (("in_new",), 0)
    limited = await read_event_log(database)
    assert (limited.book.provider, len(limited), limited.left_out) == ("elsewhere", 3, 2)


async def test_an_empty_log_says_what_to_do_instead(database: Database) -> None:
    with pytest.raises(InvalidInput, match=r"holds no recoveries to learn from\. Try --source synthetic"):
        await read_event_log(database)
    await write_recovery(database, "in_1", failed_event(), *decision_events(0))
    with pytest.raises(InvalidInput, match="no recoveries of adyen that opened since 2026-01-01 to learn from"):
        await read_event_log(database, since=date(2026, 1, 1), provider="adyen")


async def test_engine_results_match_the_log(database: Database) -> None:
    """Every kind of synthetic recovery, written as the live service writes it, and read back."""
    source = SyntheticSource(load_shipped_assumptions(), 60, 7)
    cases, decision_world = source.cases(0, 60), a_world()
    outcome_models = OutcomeModels(source.outcomes, 7).for_cases(cases)
    runs = {}
    for row in range(len(cases)):
        run = RecoverySimulation(decision_world, outcome_models, cases, row)
        runs[cases.case_at(row).invoice_id] = run.run_to_end()
        await _write_run(database, run)
    history = await read_event_log(database)
    assert {name: _charges_in(history, row) for row, name in enumerate(history.book.names)} == {
        name: tuple((charge.at, charge.won) for charge in run.charges) for name, run in runs.items()
    }
    assert history.decisions.keys() == {decision_world.policy.version}


async def _write_run(database: Database, run: RecoverySimulation) -> None:
    recovery = Recovery(provider="stripe", invoice_id=run.recovery.invoice_id)
    events = [
        Event.model_validate(dict(record)) for record in run.records if record.type is not EventType.RECOVERY_CLOSED
    ]
    async with database.begin() as session:
        for event in events:
            recovery = machine.fold_records(recovery, await event_log.append_to_log(session, recovery, [event], THEN))
        if not recovery.stage.is_final:
            await event_log.append_to_log(session, recovery, [Event.model_validate(dict(run.records[-1]))], THEN)


def _charges_in(history: History, row: int) -> tuple[tuple[int, bool], ...]:
    is_own_charge = history.charges.recovery == row
    return tuple(
        zip(history.charges.at[is_own_charge].tolist(), history.charges.won[is_own_charge].tolist(), strict=True)
    )
