"""The relay: rows that could not be delivered at once, and recoveries whose run was lost."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import RecoveryError
from core.events import Event, EventType
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from db.recovery_log import StoredRecoveryLog
from db.repositories.inbox import FIRST_WAIT
from db.session import Database
from intake import relay as module
from intake.lost_runs import ensure_runs
from intake.relay import MOST_TRIES, MOST_TRIES_OF_AN_OUTAGE, UNRECORDED, run_relay
from tests.db.conftest import Addresses, run_as_owner
from tests.intake.fakes import (
    NOW,
    PROVIDER_AWAY,
    TEMPORAL_AWAY,
    FakeGateway,
    FakeRecoveries,
    canceled_event,
    failure_event,
    gateways_with,
    inbox_rows,
    provider_event,
    store_in_inbox,
    store_recovery,
    unique_id,
)

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def empty_inbox(database: Database, addresses: Addresses) -> Database:
    """A database with an empty inbox and no recoveries."""
    run_as_owner(addresses, "DELETE FROM webhook_inbox", "DELETE FROM recovery")
    return database


@pytest.fixture
def recoveries(database: Database) -> FakeRecoveries:
    """Recoveries whose runs write what they hear, as a worker does."""
    return FakeRecoveries(log=StoredRecoveryLog(database))


async def test_rows_are_delivered_in_their_order(empty_inbox: Database, recoveries: FakeRecoveries) -> None:
    invoice = unique_id("in")
    events = [
        failure_event(invoice),
        provider_event(EventKind.INVOICE_PAID, invoice_id=invoice),
        provider_event(EventKind.OTHER, detail="no use"),
    ]
    for second, event in enumerate(events):
        await store_in_inbox(empty_inbox, event, at=NOW + timedelta(seconds=second))
    report = await run_relay(empty_inbox, recoveries, {}, LATER, 200)
    assert (report.delivered, report.waiting) == (3, 0)
    assert [event.event_id for event in recoveries.started_events] == [events[0].event_id]
    assert [event.event_id for _, event in recoveries.signalled_events] == [events[1].event_id]
    rows = await inbox_rows(empty_inbox, events)
    assert [row.outcome for row in rows] == ["accepted", "accepted", "ignored"]
    assert rows[0].recovery_id == recovery_id("stripe", invoice)
    assert rows[2].reason == "no use"


async def test_relay_leaves_new_rows_to_their_ingesting_process(
    empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    await store_in_inbox(empty_inbox, failure_event(unique_id("in")))
    report = await run_relay(empty_inbox, recoveries, {}, NOW, 200)
    assert (report.delivered, report.waiting) == (0, 1)


async def test_two_passes_at_once_deliver_each_row_once(empty_inbox: Database, recoveries: FakeRecoveries) -> None:
    await store_in_inbox(empty_inbox, *(failure_event(unique_id("in")) for _ in range(12)))
    reports = await asyncio.gather(*(run_relay(empty_inbox, recoveries, {}, LATER, 200) for _ in range(3)))
    assert sum(report.delivered for report in reports) == 12
    assert len({event.event_id for event in recoveries.started_events}) == len(recoveries.started_events) == 12


async def test_relay_delivers_up_to_its_limit(empty_inbox: Database, recoveries: FakeRecoveries) -> None:
    await store_in_inbox(empty_inbox, *(failure_event(unique_id("in")) for _ in range(4)))
    report = await run_relay(empty_inbox, recoveries, {}, LATER, 3)
    assert (report.delivered, report.waiting) == (3, 1)


async def test_unreachable_temporal_ends_the_pass_and_loses_nothing(
    empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    events = [failure_event(unique_id("in")) for _ in range(3)]
    await store_in_inbox(empty_inbox, *events)
    recoveries.error = TEMPORAL_AWAY
    report = await run_relay(empty_inbox, recoveries, {}, LATER, 200)
    assert (report.delivered, report.waiting) == (0, 3)
    assert sorted(row.tries for row in await inbox_rows(empty_inbox, events)) == [0, 0, 1]
    recoveries.error = None
    report = await run_relay(empty_inbox, recoveries, {}, LATER + timedelta(minutes=1), 200)
    assert (report.delivered, report.waiting) == (3, 0)


async def test_unavailable_provider_does_not_use_up_a_rows_tries(
    empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    dispute, other = (
        provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi")),
        failure_event(unique_id("in")),
    )
    await store_in_inbox(empty_inbox, dispute, other)
    gateways = gateways_with(FakeGateway(error=PROVIDER_AWAY))
    retry_at = LATER
    for _ in range(MOST_TRIES + 2):
        await run_relay(empty_inbox, recoveries, gateways, retry_at, 200)
        retry_at += timedelta(minutes=10)
    rows = await inbox_rows(empty_inbox, [dispute, other])
    assert rows[0].outcome is None
    assert rows[0].tries == MOST_TRIES + 2 < MOST_TRIES_OF_AN_OUTAGE
    assert rows[1].outcome == "accepted"


async def test_the_relay_asks_the_provider_whose_payment_it_is(
    empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    about = failure_event(unique_id("in"), customer_id=unique_id("cus"))
    recoveries.running.add((await store_recovery(empty_inbox, about)).recovery_id)
    dispute = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"))
    await store_in_inbox(empty_inbox, dispute)
    gateway = FakeGateway(owner={"invoice_id": about.invoice_id})
    await run_relay(empty_inbox, recoveries, gateways_with(gateway), LATER, 200)
    # It concerns the whole customer, so the next pass looks whether each of their recoveries has it.
    await run_relay(empty_inbox, recoveries, gateways_with(gateway), LATER + FIRST_WAIT, 200)
    assert gateway.call_count == 1
    (row,) = await inbox_rows(empty_inbox, [dispute])
    assert (row.outcome, row.recovery_id) == ("accepted", recovery_id("stripe", about.invoice_id or ""))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(ValueError("4242424242424242"), "ValueError"), (RecoveryError("a sentence of ours"), "a sentence of ours")],
)
async def test_failing_row_is_given_up_with_its_reason(
    broken: Exception, reason: str, empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    failing, other = failure_event(unique_id("in")), provider_event(EventKind.OTHER, detail="fine")
    await store_in_inbox(empty_inbox, failing, other)
    recoveries.error = broken
    retry_at = LATER
    for _ in range(MOST_TRIES):
        await run_relay(empty_inbox, recoveries, {}, retry_at, 200)
        retry_at += timedelta(minutes=10)
    rows = await inbox_rows(empty_inbox, [failing, other])
    assert (rows[0].outcome, rows[0].reason) == ("ignored", f"given up after {MOST_TRIES} tries: {reason}")
    assert rows[1].outcome == "ignored"


async def test_without_a_gateway_a_dispute_is_given_up_with_the_reason(
    empty_inbox: Database, recoveries: FakeRecoveries
) -> None:
    dispute = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"))
    await store_in_inbox(empty_inbox, dispute)
    for minutes in range(0, 10 * MOST_TRIES, 10):
        await run_relay(empty_inbox, recoveries, {}, LATER + timedelta(minutes=minutes), 200)
    (row,) = await inbox_rows(empty_inbox, [dispute])
    assert row.outcome == "ignored"
    assert "only the provider knows whose payment this is" in (row.reason or "")


async def test_one_slow_delivery_does_not_hold_the_others(
    empty_inbox: Database, recoveries: FakeRecoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_SECONDS", 1)
    dispute, other = (
        provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi")),
        failure_event(unique_id("in")),
    )
    await store_in_inbox(empty_inbox, dispute, other)

    class SlowGateway(FakeGateway):
        async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
            await asyncio.sleep(60)
            return event

    report = await run_relay(empty_inbox, recoveries, gateways_with(SlowGateway()), LATER, 200)
    assert (report.delivered, report.waiting) == (1, 1)


class TestRecorded:
    """A webhook is delivered when the log shows it, and delivered again until then."""

    async def test_failure_of_a_run_that_was_lost_opens_another(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        writing, recoveries.log = recoveries.log, None
        failure = failure_event(unique_id("in"))
        await store_in_inbox(empty_inbox, failure)
        await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        (row,) = await inbox_rows(empty_inbox, [failure])
        assert (row.outcome, row.last_error) == (None, UNRECORDED)
        recoveries.running.clear()
        recoveries.log = writing
        report = await run_relay(empty_inbox, recoveries, {}, LATER + FIRST_WAIT, 200)
        assert (report.delivered, report.waiting) == (1, 0)
        assert [event.event_id for event in recoveries.started_events] == [failure.event_id] * 2

    async def test_event_that_changes_nothing_is_delivered_without_a_signal(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        failure = failure_event(unique_id("in"))
        await store_recovery(empty_inbox, failure)
        again = failure.model_copy(update={"event_id": unique_id("evt")})
        await store_in_inbox(empty_inbox, again)
        report = await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        assert (report.delivered, report.waiting, recoveries.started_events) == (1, 0, [])

    @pytest.mark.parametrize("kind", [EventKind.DISPUTE_OPENED, EventKind.METHOD_UPDATED])
    async def test_an_invoice_without_a_recovery_is_not_waited_for(
        self, kind: EventKind, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        failure = failure_event(unique_id("in"), customer_id=unique_id("cus"))
        recoveries.running.add((await store_recovery(empty_inbox, failure)).recovery_id)
        event = provider_event(
            kind, invoice_id=unique_id("in"), customer_id=failure.customer_id, method_id="pm_2", detail="fraudulent"
        )
        await store_in_inbox(empty_inbox, event)
        await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        await run_relay(empty_inbox, recoveries, {}, LATER + FIRST_WAIT, 200)
        (row,) = await inbox_rows(empty_inbox, [event])
        assert (row.outcome, len(recoveries.signalled_events)) == ("accepted", 1)

    async def test_an_invoice_whose_failure_waits_is_waited_for(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        failure = failure_event(unique_id("in"), customer_id=unique_id("cus"))
        recoveries.running.add((await store_recovery(empty_inbox, failure)).recovery_id)
        other, recoveries.log = failure_event(unique_id("in"), customer_id=failure.customer_id), None
        method = provider_event(
            EventKind.METHOD_UPDATED, invoice_id=other.invoice_id, customer_id=failure.customer_id, method_id="pm_2"
        )
        await store_in_inbox(empty_inbox, other)
        await store_in_inbox(empty_inbox, method)
        await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        assert [row.outcome for row in await inbox_rows(empty_inbox, [other, method])] == [None, None]

    async def test_it_waits_for_an_earlier_event_that_may_give_it_an_effect(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        failure = failure_event(unique_id("in"))
        recoveries.running.add((await store_recovery(empty_inbox, failure)).recovery_id)
        recoveries.log = None
        restored = provider_event(EventKind.PAYMENT_RESTORED, invoice_id=failure.invoice_id)
        dispute = provider_event(EventKind.DISPUTE_OPENED, invoice_id=failure.invoice_id)
        await store_in_inbox(empty_inbox, dispute, at=NOW)
        await store_in_inbox(empty_inbox, restored, at=NOW + timedelta(seconds=1))
        await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        assert [row.outcome for row in await inbox_rows(empty_inbox, [dispute, restored])] == [None, None]

    @pytest.mark.parametrize("lost", [False, True])
    async def test_wake_is_delivered_while_the_run_that_took_it_lives(
        self, lost: bool, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        failure = failure_event(unique_id("in"))
        recoveries.running.add((await store_recovery(empty_inbox, failure)).recovery_id)
        wake = provider_event(EventKind.WAKE, invoice_id=failure.invoice_id)
        await store_in_inbox(empty_inbox, wake)
        await run_relay(empty_inbox, recoveries, {}, LATER, 200)
        if lost:
            recoveries.running.clear()
        await run_relay(empty_inbox, recoveries, {}, LATER + FIRST_WAIT, 200)
        (row,) = await inbox_rows(empty_inbox, [wake])
        assert row.outcome == (None if lost else "accepted")
        assert len(recoveries.signalled_events) == 1 + lost


class TestRevive:
    """Open recoveries always have a run."""

    async def test_a_lost_run_is_started_again(self, empty_inbox: Database, recoveries: FakeRecoveries) -> None:
        lost, running = failure_event(unique_id("in")), failure_event(unique_id("in"))
        await store_recovery(empty_inbox, lost)
        recoveries.running.add((await store_recovery(empty_inbox, running)).recovery_id)
        await store_recovery(empty_inbox, failure_event(unique_id("in")), canceled_event())
        assert await ensure_runs(empty_inbox, recoveries, LATER, 20) == 1
        assert len(recoveries.ensured_runs) == 2
        assert recovery_id("stripe", lost.invoice_id or "") in recoveries.running

    async def test_every_open_recovery_is_checked_in_turn(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        for _ in range(6):
            await store_recovery(empty_inbox, failure_event(unique_id("in")), _planned_event())
        for minute in range(3):
            await ensure_runs(empty_inbox, recoveries, NOW + timedelta(minutes=minute), 2)
        assert len(recoveries.ensured_runs) == len(set(recoveries.ensured_runs)) == 6

    async def test_completed_run_does_not_stop_the_pass(
        self, empty_inbox: Database, recoveries: FakeRecoveries
    ) -> None:
        for _ in range(3):
            recoveries.completed.add((await store_recovery(empty_inbox, failure_event(unique_id("in")))).recovery_id)
        await store_recovery(empty_inbox, failure_event(unique_id("in")))
        assert await ensure_runs(empty_inbox, recoveries, LATER, 20) == 1

    async def test_unreachable_temporal_starts_no_run(self, empty_inbox: Database, recoveries: FakeRecoveries) -> None:
        await store_recovery(empty_inbox, failure_event(unique_id("in")))
        recoveries.error = TEMPORAL_AWAY
        assert await ensure_runs(empty_inbox, recoveries, LATER, 20) == 0


def _planned_event() -> Event:
    """A planned retry of tomorrow, so that the recovery is not overdue."""
    data = {"at": "2026-09-02T12:00:00Z", "strategy": "s", "policy_version": "v"}
    return Event(type=EventType.RETRY_PLANNED, occurred_at=NOW, data=data)
