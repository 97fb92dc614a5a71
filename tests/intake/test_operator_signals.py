"""Operator commands that were left as signals are delivered until the log shows them."""

from datetime import timedelta

import pytest

from core.events import Event, EventType
from core.operators import Action, Command
from core.recovery.state import Recovery
from db.models import notice, operator_signal
from db.recovery_log import StoredRecoveryLog
from db.repositories import event_log, operator_signals
from db.session import Database
from intake.operator_signals import MOST_TRIES, NEVER_RECORDED, deliver_signals
from tests.db.conftest import Addresses, run_as_owner
from tests.intake.fakes import (
    NOW,
    TEMPORAL_AWAY,
    FakeRecoveries,
    canceled_event,
    failure_event,
    store_recovery,
    unique_id,
)

LATER = NOW + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def no_signals(addresses: Addresses) -> None:
    """Begins each test without stored commands."""
    run_as_owner(addresses, "DELETE FROM operator_signal")


async def leave_signal(database: Database, *more: Event) -> tuple[str, Command]:
    """An open recovery, and a command that was left to it as a signal."""
    recovery = await store_recovery(database, failure_event(unique_id("in")), *more)
    command = Command(action=Action.PAUSE, actor="ann", reason="holiday", request_id=unique_id("req"))
    async with database.begin() as session:
        names = (recovery.provider, recovery.invoice_id, recovery.recovery_id)
        await operator_signals.store_signal(session, *names, command, NOW)
    return recovery.recovery_id, command


async def record_command(database: Database, recovery_id: str, command: Command) -> None:
    """The row that the run writes about the command."""
    data = {"actor": command.actor, "reason": command.reason, "request_id": command.request_id}
    async with database.begin() as session:
        recovery = await event_log.load_recovery(session, recovery_id)
        assert recovery
        paused = Event(type=EventType.PAUSED, occurred_at=NOW, data=data)
        await event_log.append_to_log(session, recovery, [paused], NOW)


async def count_undelivered(database: Database) -> int:
    async with database.begin() as session:
        rows = await session.execute(operator_signal.select().where(operator_signal.c.delivered_at.is_(None)))
        return len(rows.all())


async def test_recorded_command_is_done_with(database: Database, recoveries: FakeRecoveries) -> None:
    await record_command(database, *await leave_signal(database))
    assert await deliver_signals(database, recoveries, LATER, 10) == 1
    assert (await count_undelivered(database), recoveries.signalled_commands) == (0, [])


async def test_command_whose_run_was_lost_is_signalled_to_a_new_one(
    database: Database, recoveries: FakeRecoveries
) -> None:
    name, command = await leave_signal(database)
    assert await deliver_signals(database, recoveries, LATER, 10) == 0
    assert (recoveries.ensured_runs, recoveries.signalled_commands) == ([name], [(name, command)])
    assert await deliver_signals(database, recoveries, LATER, 10) == 0, "it is not due yet"
    await record_command(database, name, command)
    assert await deliver_signals(database, recoveries, LATER + timedelta(seconds=10), 10) == 1


async def test_command_to_a_recovery_that_ended_is_done_with(database: Database, recoveries: FakeRecoveries) -> None:
    await leave_signal(database, canceled_event())
    assert await deliver_signals(database, recoveries, LATER, 10) == 1
    assert recoveries.signalled_commands == []


async def test_unreachable_temporal_keeps_the_command(database: Database, recoveries: FakeRecoveries) -> None:
    await leave_signal(database)
    recoveries.error = TEMPORAL_AWAY
    assert await deliver_signals(database, recoveries, LATER, 10) == 0
    assert await count_undelivered(database) == 1


async def test_operators_hear_of_a_command_that_is_never_recorded(
    database: Database, recoveries: FakeRecoveries
) -> None:
    await leave_signal(database)
    async with database.begin() as session:
        await session.execute(operator_signal.update().values(tries=MOST_TRIES))
    await deliver_signals(database, recoveries, LATER, 10)
    async with database.begin() as session:
        rows = await session.execute(notice.select().where(notice.c.data["why"].astext == NEVER_RECORDED))
        assert len(rows.all()) == 1
    assert await count_undelivered(database) == 0


async def test_repeated_command_is_stored_once(database: Database) -> None:
    name, command = await leave_signal(database)
    async with database.begin() as session:
        await operator_signals.store_signal(session, "stripe", "in_any", name, command, NOW)
    assert await count_undelivered(database) == 1


async def test_new_run_hears_of_commands_that_the_log_does_not_show(database: Database) -> None:
    name, command = await leave_signal(database)
    other, _ = await leave_signal(database)
    assert await opening_commands(database, name) == (command,)
    await record_command(database, name, command)
    await deliver_signals(database, FakeRecoveries(), LATER, 10)
    assert await opening_commands(database, name) == ()
    assert len(await opening_commands(database, other)) == 1


async def opening_commands(database: Database, name: str) -> tuple[Command, ...]:
    """The commands that a new run of this recovery hears of."""
    invoice = name.removeprefix("recovery-stripe-")
    new = Recovery(provider="stripe", invoice_id=invoice)
    return (await StoredRecoveryLog(database).open_log(new, None, lambda _: (), NOW)).commands
