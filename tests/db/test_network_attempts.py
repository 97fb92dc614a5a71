"""The tries of one card, reserved in PostgreSQL by many recoveries at once, through the code that charges."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from activities.charging import ChargeAttempt
from catalog import network_rules
from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, check_attempt
from core.contracts import ChargeInput
from core.events import EventType, Record, Trigger, parse_timestamp
from core.payments import Card, Failure, InvoiceStatus, InvoiceView
from core.recovery.machine import fold_records
from core.recovery.state import Recovery
from db.recovery_log import StoredRecoveryLog
from db.repositories import network_attempts
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, event_of, failed_event
from tests.support.gateway import ScriptedGateway

RULES = network_rules()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONG_AGO = NOW - 300 * DAY
"""Out of every window."""


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        """The fixed time."""
        return self.moment


class OneCardProvider(ScriptedGateway):
    """A provider where every invoice is open and has this card."""

    card = Card(fingerprint="fp_1", network="mastercard")

    async def read_card(self, _: str, __: str | None) -> Card | None:
        """The card."""
        return self.card


def provider_with_amount(amount: int = 500) -> OneCardProvider:
    invoice = InvoiceView(invoice_id="in_1", status=InvoiceStatus.OPEN, amount_due=amount, currency="EUR")
    return OneCardProvider(failure=Failure(code="generic_decline"), invoice=invoice)


async def declined_recovery(
    db: Database, invoice: str, card: str, at: datetime, network: str = "mastercard", **failure: Any
) -> Recovery:
    """A recovery whose opening failure was a try of that card at that time."""
    failure_fields = {"code": "generic_decline", "network_code": "51"} | failure
    ends = (NOW + 90 * DAY).isoformat()
    events = [
        failed_event(at, event_id=f"evt_{invoice}"),
        event_of(EventType.FAILURE_CLASSIFIED, card={"fingerprint": card, "network": network}, failure=failure_fields),
        event_of(EventType.CUSTOMER_SEGMENTED, window_ends_at=ends),
        event_of(EventType.RETRY_PLANNED, at=NOW.isoformat()),
    ]
    before = blank_recovery(invoice)
    return fold_records(before, await StoredRecoveryLog(db).append_events(before, events, at))


async def request_charge(
    db: Database, recovery: Recovery, at: datetime, trigger: Trigger = Trigger.SCHEDULED, amount: int = 500
) -> Record:
    """The row written for this request: `charge.requested`, or the reason against it."""
    attempt = ChargeAttempt(recovery, provider_with_amount(amount), StoredRecoveryLog(db), FixedClock(at))  # type: ignore[arg-type]
    await attempt.request_charge(ChargeInput(now=at, recovery=recovery, trigger=trigger, method_id=None))
    return attempt.result_so_far().records[0]


async def fetch_tries(db: Database, card: str, now: datetime = NOW, **more: Any) -> tuple[LedgerEntry, ...]:
    defaults: dict[str, Any] = {"provider": "stripe", "recovery_id": "r", "fingerprint": card, "network": "mastercard"}
    async with db.begin() as session:
        return await network_attempts.load_attempts(session, Credential(**defaults | more), RULES, now)


async def tries_in_log(db: Database, card: str) -> list[datetime]:
    """The times of all tries of a card in the log: opening failures and requested charges."""
    opened = "type = 'failure.classified' AND data->'card'->>'fingerprint' = :card"
    query = text(f"""
        SELECT (SELECT max(f.occurred_at) FROM event_log f
                WHERE f.recovery_id = e.recovery_id AND f.type = 'payment.failed') AS at
        FROM event_log e WHERE {opened}
        UNION ALL SELECT occurred_at FROM event_log
        WHERE type = 'charge.requested' AND data->>'fingerprint' = :card
    """)
    async with db.begin() as session:
        return sorted((await session.execute(query, {"card": card})).scalars())


def fullest_window(moments: list[datetime], length: timedelta) -> int:
    """The highest number of tries in any window of this length."""
    return max(sum(last - length < at <= last for at in moments) for last in moments)


# --- races -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("round", range(5))
async def test_one_of_two_concurrent_recoveries_gets_the_last_try(database: Database, round: int) -> None:
    card = f"fp_race_{round}"
    rivals = [await declined_recovery(database, f"in_race_{round}_{n}", card, NOW - HOUR) for n in range(9)]
    rows = await asyncio.gather(*(request_charge(database, rival, NOW) for rival in rivals[:2]))
    assert sorted(row.type for row in rows) == [EventType.CHARGE_REQUESTED, EventType.RETRY_SKIPPED]
    (skipped,) = (row for row in rows if row.type is EventType.RETRY_SKIPPED)
    assert (skipped.data["reason"], skipped.data["rule"], skipped.data["action"]) == (
        "network_limit",
        "mastercard_24h",
        "postpone",
    )
    assert parse_timestamp(skipped.data["at"]) == NOW + 23 * HOUR, "when the first of the nine is a day old"
    assert (skipped.data["used"], skipped.data["allowed"]) == (10, 10)
    assert skipped.data["network"]["fee"] == {"amount": 50, "currency": "USD", "source": "S42 TPE fee US 0.50 USD"}
    assert len(await tries_in_log(database, card)) == 10


def arrival_times(count: int) -> Iterator[datetime]:
    """Times over twenty days, most of them in bursts."""
    dice = random.Random(7)
    for _ in range(count):
        yield NOW + dice.randrange(20) * DAY + timedelta(seconds=dice.randrange(600))


async def run_twenty_at_a_time(work: Iterable[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """The results of all tasks, run twenty at a time as a worker's connections allow."""
    semaphore = asyncio.Semaphore(20)

    async def run_job(job: Callable[[], Awaitable[Any]]) -> Any:
        async with semaphore:
            return await job()

    return await asyncio.gather(*map(run_job, work))


@pytest.mark.timeout(120)
async def test_a_thousand_recoveries_of_one_card_never_exceed_what_its_network_allows(database: Database) -> None:
    openings = [NOW - HOUR, NOW - 2 * HOUR, *[LONG_AGO] * 998]
    openings_in_turn = (
        partial(declined_recovery, database, f"in_many_{n}", "fp_many", at) for n, at in enumerate(openings)
    )
    recoveries = await run_twenty_at_a_time(openings_in_turn)
    turns = zip(recoveries, sorted(arrival_times(1000)), strict=True)

    rows = await run_twenty_at_a_time(partial(request_charge, database, recovery, at) for recovery, at in turns)

    assert {row.type for row in rows} == {EventType.CHARGE_REQUESTED, EventType.RETRY_SKIPPED}
    moments = [at for at in await tries_in_log(database, "fp_many") if at > LONG_AGO]
    assert len(moments) == 2 + sum(row.type is EventType.CHARGE_REQUESTED for row in rows)
    assert fullest_window(moments, DAY) == 10, "a day is used up, and never exceeded"
    assert fullest_window(moments, 30 * DAY) == 35, "and so is the month"


# --- what is counted ---------------------------------------------------------------------------------------------


async def test_repeated_request_reserves_no_second_try(database: Database) -> None:
    """The second execution of one charge finds the row of the first."""
    recovery = await declined_recovery(database, "in_twice", "fp_twice", NOW - HOUR)
    first, again = await asyncio.gather(*(request_charge(database, recovery, NOW) for _ in range(2)))
    assert first == again
    assert [attempt.key for attempt in await fetch_tries(database, "fp_twice")] == ["failure-0", "attempt-1"]


async def test_withheld_try_does_not_count_and_records_the_avoided_fee(database: Database) -> None:
    full = [await declined_recovery(database, f"in_held_{n}", "fp_held", NOW - HOUR) for n in range(10)]
    for recovery in full:
        assert (await request_charge(database, recovery, NOW)).type is EventType.RETRY_SKIPPED
    attempts = await fetch_tries(database, "fp_held")
    assert len(attempts) == 10
    assert {attempt.outcome for attempt in attempts} == {AttemptOutcome.DECLINED}
    async with database.begin() as session:
        (fees,) = await network_attempts.sum_card_fees(session, "stripe", "fp_held")
    assert (fees.currency, fees.caused, fees.avoided) == ("USD", 0, 500)


@pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.METHOD_CHANGE])
async def test_a_charge_that_was_asked_for_is_refused_and_not_moved(database: Database, trigger: Trigger) -> None:
    card = f"fp_{trigger}"
    full = [await declined_recovery(database, f"in_{trigger}_{n}", card, NOW - HOUR) for n in range(10)]
    row = await request_charge(database, full[0], NOW, trigger)
    assert (row.data["action"], row.data["trigger"], row.data["reason"]) == ("refuse", trigger.value, "network_limit")
    assert parse_timestamp(row.data["free_at"]) == NOW + 23 * HOUR


async def test_blocked_or_unexecuted_charge_is_no_network_try(database: Database) -> None:
    blocked = await declined_recovery(database, "in_kept", "fp_kept", NOW - HOUR, outcome="blocked")
    await request_charge(database, blocked, NOW)
    (opening, requested_try) = await fetch_tries(database, "fp_kept")
    assert (opening.outcome, requested_try.outcome) == (AttemptOutcome.NOT_SENT, AttemptOutcome.REQUESTED)
    log = StoredRecoveryLog(database)
    requested = fold_records(blocked, await log.load_since(blocked))
    reconciled = event_of(EventType.CHARGE_RECONCILED, outcome="not_charged").model_copy(update={"attempt": 1})
    await log.append_events(requested, [reconciled], NOW + HOUR)
    assert [attempt.outcome for attempt in await fetch_tries(database, "fp_kept")] == [
        AttemptOutcome.NOT_SENT,
        AttemptOutcome.RELEASED,
    ]
    decision = check_attempt(
        RULES,
        Credential(provider="stripe", recovery_id="r", fingerprint="fp_kept", network="visa"),
        await fetch_tries(database, "fp_kept"),
        NOW,
    )
    assert [window.used for window in decision.windows] == [0]


async def test_approval_resets_visas_count(database: Database) -> None:
    approved = [
        await declined_recovery(database, f"in_won_{n}", "fp_won", NOW - HOUR, network="visa") for n in range(19)
    ]
    assert (await request_charge(database, approved[0], NOW)).type is EventType.CHARGE_REQUESTED
    assert (await request_charge(database, approved[1], NOW)).type is EventType.RETRY_SKIPPED
    log = StoredRecoveryLog(database)
    requested = fold_records(approved[0], await log.load_since(approved[0]))
    paid = event_of(EventType.CHARGE_SUCCEEDED).model_copy(update={"attempt": 1})
    await log.append_events(requested, [paid], NOW + timedelta(seconds=2))
    row = await request_charge(database, approved[2], NOW + HOUR)
    assert row.type is EventType.CHARGE_REQUESTED


@pytest.mark.parametrize(
    "codes",
    [
        {"network_code": "R1"},
        {"network_code": "r1 "},
        {"network_advice": "03"},
        {"network_advice": "3"},
        {"network_advice": " 21"},
    ],
)
async def test_an_answer_that_forbids_every_further_try_is_never_forgotten(
    database: Database, codes: dict[str, str]
) -> None:
    """Years later, beyond every window, and from a recovery of another invoice."""
    card = f"fp_stop_{'_'.join(codes.values())}"
    await declined_recovery(database, f"in_old_{card}", card, NOW - 900 * DAY, **codes)
    row = await request_charge(database, await declined_recovery(database, f"in_new_{card}", card, NOW - HOUR), NOW)
    assert (row.type, row.data["rule"], row.data["action"]) == (EventType.RETRY_SKIPPED, "never_again", "give_up")
    assert row.data["network"]["never"]


async def test_tries_are_counted_per_card_and_provider(database: Database) -> None:
    for number in range(10):
        await declined_recovery(database, f"in_mine_{number}", "fp_mine", NOW - HOUR)
    assert len(await fetch_tries(database, "fp_mine")) == 10
    assert await fetch_tries(database, "fp_mine", provider="adyen") == ()
    assert await fetch_tries(database, "fp_yours") == ()


async def test_without_a_fingerprint_a_recovery_counts_its_own_tries(database: Database) -> None:
    before = blank_recovery("in_unknown")
    events = [failed_event(NOW - HOUR), event_of(EventType.FAILURE_CLASSIFIED, failure={"network_code": "51"})]
    await StoredRecoveryLog(database).append_events(before, events, NOW)
    attempts = await fetch_tries(database, "", fingerprint=None, recovery_id=before.recovery_id)
    assert [attempt.key for attempt in attempts] == ["failure-0"]
    assert await fetch_tries(database, "", fingerprint=None, recovery_id="recovery-stripe-in_other") == ()


async def test_only_the_longest_window_is_looked_back_to(database: Database) -> None:
    assert max(limit.length for limit in RULES.limits) < network_attempts.LOOK_BACK
    await declined_recovery(database, "in_ancient", "fp_ancient", NOW - network_attempts.LOOK_BACK - HOUR)
    assert await fetch_tries(database, "fp_ancient") == ()
