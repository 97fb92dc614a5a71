"""What the relay does with rows that could not be delivered at once, and with recoveries whose run was lost."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.errors import RecoveryError
from core.events import Event, EventType
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from db.session import Database
from intake import relay as module
from intake.relay import MOST_TRIES, MOST_TRIES_OF_AN_OUTAGE, relay, revive
from tests.intake.fakes import (
    AWAY,
    NOW,
    PROVIDER_AWAY,
    FakeGateway,
    FakeRecoveries,
    arrived,
    as_stripe,
    canceled,
    failure,
    inbox_rows,
    stored,
    unique,
    word,
)

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
async def quiet(database: Database) -> Database:
    """The inbox without what other tests left in it."""
    async with database.begin() as session:
        await session.execute(text("DELETE FROM webhook_inbox"))
        await session.execute(text("DELETE FROM recovery"))
    return database


async def test_rows_are_delivered_in_their_order(quiet: Database, recoveries: FakeRecoveries) -> None:
    invoice = unique("in")
    events = [
        failure(invoice),
        word(EventKind.INVOICE_PAID, invoice_id=invoice),
        word(EventKind.OTHER, detail="no use"),
    ]
    for second, event in enumerate(events):
        await arrived(quiet, event, at=NOW + timedelta(seconds=second))
    report = await relay(quiet, recoveries, {}, LATER, 200)
    assert (report.delivered, report.waiting) == (3, 0)
    assert [event.event_id for event in recoveries.begun] == [events[0].event_id]
    assert [event.event_id for _, event in recoveries.told] == [events[1].event_id]
    rows = await inbox_rows(quiet, events)
    assert [row.outcome for row in rows] == ["accepted", "accepted", "ignored"]
    assert rows[0].recovery_id == recovery_id("stripe", invoice)
    assert rows[2].reason == "no use"


async def test_a_new_row_is_left_to_whoever_took_it_in(quiet: Database, recoveries: FakeRecoveries) -> None:
    await arrived(quiet, failure(unique("in")))
    report = await relay(quiet, recoveries, {}, NOW, 200)
    assert (report.delivered, report.waiting) == (0, 1)


async def test_two_passes_at_once_deliver_each_row_once(quiet: Database, recoveries: FakeRecoveries) -> None:
    await arrived(quiet, *(failure(unique("in")) for _ in range(12)))
    reports = await asyncio.gather(*(relay(quiet, recoveries, {}, LATER, 200) for _ in range(3)))
    assert sum(report.delivered for report in reports) == 12
    assert len({event.event_id for event in recoveries.begun}) == len(recoveries.begun) == 12


async def test_the_limit_holds(quiet: Database, recoveries: FakeRecoveries) -> None:
    await arrived(quiet, *(failure(unique("in")) for _ in range(4)))
    report = await relay(quiet, recoveries, {}, LATER, 3)
    assert (report.delivered, report.waiting) == (3, 1)


async def test_temporal_away_ends_the_pass_and_loses_nothing(quiet: Database, recoveries: FakeRecoveries) -> None:
    events = [failure(unique("in")) for _ in range(3)]
    await arrived(quiet, *events)
    recoveries.failing = AWAY
    report = await relay(quiet, recoveries, {}, LATER, 200)
    assert (report.delivered, report.waiting) == (0, 3)
    assert sorted(row.tries for row in await inbox_rows(quiet, events)) == [0, 0, 1]
    recoveries.failing = None
    report = await relay(quiet, recoveries, {}, LATER + timedelta(minutes=1), 200)
    assert (report.delivered, report.waiting) == (3, 0)


async def test_a_provider_that_is_away_is_not_the_rows_fault(quiet: Database, recoveries: FakeRecoveries) -> None:
    dispute, other = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi")), failure(unique("in"))
    await arrived(quiet, dispute, other)
    gateways = as_stripe(FakeGateway(failing=PROVIDER_AWAY))
    moment = LATER
    for _ in range(MOST_TRIES + 2):
        await relay(quiet, recoveries, gateways, moment, 200)
        moment += timedelta(minutes=10)
    rows = await inbox_rows(quiet, [dispute, other])
    assert rows[0].outcome is None
    assert rows[0].tries == MOST_TRIES + 2 < MOST_TRIES_OF_AN_OUTAGE
    assert rows[1].outcome == "accepted"


async def test_the_relay_asks_the_provider_whose_payment_it_is(quiet: Database, recoveries: FakeRecoveries) -> None:
    about = failure(unique("in"), customer_id=unique("cus"))
    recoveries.running.add((await stored(quiet, about)).recovery_id)
    dispute = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"))
    await arrived(quiet, dispute)
    gateway = FakeGateway(owner={"invoice_id": about.invoice_id})
    await relay(quiet, recoveries, as_stripe(gateway), LATER, 200)
    (row,) = await inbox_rows(quiet, [dispute])
    assert (row.outcome, row.recovery_id) == ("accepted", recovery_id("stripe", about.invoice_id or ""))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(ValueError("4242424242424242"), "ValueError"), (RecoveryError("a sentence of ours"), "a sentence of ours")],
)
async def test_a_poison_row_ends_in_plain_sight(
    broken: Exception, reason: str, quiet: Database, recoveries: FakeRecoveries
) -> None:
    poison, other = failure(unique("in")), word(EventKind.OTHER, detail="fine")
    await arrived(quiet, poison, other)
    recoveries.failing = broken
    moment = LATER
    for _ in range(MOST_TRIES):
        await relay(quiet, recoveries, {}, moment, 200)
        moment += timedelta(minutes=10)
    rows = await inbox_rows(quiet, [poison, other])
    assert (rows[0].outcome, rows[0].reason) == ("ignored", f"given up after {MOST_TRIES} tries: {reason}")
    assert rows[1].outcome == "ignored"


async def test_without_a_gateway_a_dispute_is_given_up_with_the_reason(
    quiet: Database, recoveries: FakeRecoveries
) -> None:
    dispute = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"))
    await arrived(quiet, dispute)
    for minutes in range(0, 10 * MOST_TRIES, 10):
        await relay(quiet, recoveries, {}, LATER + timedelta(minutes=minutes), 200)
    (row,) = await inbox_rows(quiet, [dispute])
    assert row.outcome == "ignored"
    assert "only the provider knows whose payment this is" in (row.reason or "")


async def test_one_slow_delivery_does_not_hold_the_others(
    quiet: Database, recoveries: FakeRecoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_SECONDS", 0.05)
    dispute, other = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi")), failure(unique("in"))
    await arrived(quiet, dispute, other)

    class Slow(FakeGateway):
        async def resolve(self, event: ProviderEvent) -> ProviderEvent:
            await asyncio.sleep(60)
            return event

    report = await relay(quiet, recoveries, as_stripe(Slow()), LATER, 200)
    assert (report.delivered, report.waiting) == (1, 1)


class TestRevive:
    """Open recoveries always have a run."""

    async def test_a_lost_run_is_started_again(self, quiet: Database, recoveries: FakeRecoveries) -> None:
        lost, well = failure(unique("in")), failure(unique("in"))
        await stored(quiet, lost)
        recoveries.running.add((await stored(quiet, well)).recovery_id)
        await stored(quiet, failure(unique("in")), canceled())
        assert await revive(quiet, recoveries, LATER, 20) == 1
        assert len(recoveries.resumed) == 2
        assert recovery_id("stripe", lost.invoice_id or "") in recoveries.running

    async def test_everybody_gets_a_turn(self, quiet: Database, recoveries: FakeRecoveries) -> None:
        for _ in range(6):
            await stored(quiet, failure(unique("in")), _planned())
        for minute in range(3):
            await revive(quiet, recoveries, NOW + timedelta(minutes=minute), 2)
        assert len(recoveries.resumed) == len(set(recoveries.resumed)) == 6

    async def test_a_run_that_has_completed_is_no_reason_to_stop(
        self, quiet: Database, recoveries: FakeRecoveries
    ) -> None:
        for _ in range(3):
            recoveries.completed.add((await stored(quiet, failure(unique("in")))).recovery_id)
        await stored(quiet, failure(unique("in")))
        assert await revive(quiet, recoveries, LATER, 20) == 1

    async def test_temporal_away_is_quiet(self, quiet: Database, recoveries: FakeRecoveries) -> None:
        await stored(quiet, failure(unique("in")))
        recoveries.failing = AWAY
        assert await revive(quiet, recoveries, LATER, 20) == 0


def _planned() -> Event:
    """Waits for tomorrow, so that it isn't behind its time."""
    data = {"at": "2026-09-02T12:00:00Z", "strategy": "s", "policy_version": "v"}
    return Event(type=EventType.RETRY_PLANNED, occurred_at=NOW, data=data)
