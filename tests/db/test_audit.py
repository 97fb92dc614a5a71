"""The read model follows from the log, and changes of either behind the service's back are detected."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from core.events import Event, EventType
from core.recovery import machine
from core.recovery.state import Recovery
from db import audit
from db.rebuild import rebuild_read_model
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event, transition_batches

NUMBERS = count()


@pytest.fixture
async def own_database(
    fresh_database: Callable[..., Addresses], migrated: str
) -> AsyncIterator[tuple[Database, Addresses]]:
    """A database for one test, since forged rows stay."""
    database_addresses = fresh_database(migrated)
    database = Database(database_addresses.writer)
    yield database, database_addresses
    await database.close()


@pytest.fixture
async def as_owner(own_database: tuple[Database, Addresses]) -> AsyncIterator[Database]:
    """The same database as the owner of its tables, who alone rebuilds."""
    database = Database(own_database[1].owner)
    yield database
    await database.close()


async def write_recovery(database: Database, invoice_id: str, transitions: list[list[Event]]) -> Recovery:
    """A recovery with these transitions in its log."""
    recovery = blank_recovery(invoice_id)
    for events in transitions:
        async with database.begin() as session:
            recovery = machine.fold_records(recovery, await event_log.append_to_log(session, recovery, events, NOW))
    return recovery


async def is_rebuild_equal(database: Database) -> bool:
    return (await audit.verify_log(database)).is_clean


@given(transitions=transition_batches())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_read_model_can_be_rebuilt_from_any_log(database: Database, transitions: list[list[Event]]) -> None:
    name = f"in_any_{next(NUMBERS)}"
    recovery = await write_recovery(database, name, transitions)
    async with database.begin() as session:
        assert await event_log.load_recovery(session, recovery.recovery_id) == recovery
    assert (await audit.verify_log(database, recovery.recovery_id)).is_clean


async def test_lost_read_model_is_rebuilt_from_the_log(
    own_database: tuple[Database, Addresses], as_owner: Database
) -> None:
    database, _ = own_database
    for n in range(7):
        await write_recovery(
            database, f"in_{n}", [[failed_event()], [event_of(EventType.PAUSED)], [canceled_event()]][: n % 3 + 1]
        )
    before = await _read_table(database)
    async with as_owner.begin() as session:
        await session.execute(text("DELETE FROM recovery WHERE invoice_id <> 'in_3'"))
        await session.execute(text("UPDATE recovery SET state = 'recovered', invoice_id = 'in_x', checked_at = now()"))
        await session.execute(text("INSERT INTO recovery SELECT (r).* FROM (SELECT jsonb_populate_record(recovery,"
            " '{\"recovery_id\": \"ghost\", \"invoice_id\": \"ghost\"}') AS r FROM recovery) AS made"))  # fmt: skip
    assert not await is_rebuild_equal(database)
    progress: list[int] = []
    async with as_owner.begin() as session:
        assert await rebuild_read_model(session, progress.append) == 7
    assert progress[-1] == 7
    assert await is_rebuild_equal(database)
    assert await _read_table(database) == before


async def test_lost_ledger_is_rebuilt_from_the_log(
    own_database: tuple[Database, Addresses], as_owner: Database
) -> None:
    """Also for recoveries older than the ledger."""
    database, _ = own_database
    card = {"fingerprint": "fp_1", "network": "visa"}
    requested = event_of(EventType.CHARGE_REQUESTED, trigger="scheduled", **card)
    classified = event_of(
        EventType.FAILURE_CLASSIFIED, card=card, failure={"code": "do_not_honor", "network_code": "05"}
    )
    for n in range(3):
        await write_recovery(
            database,
            f"in_{n}",
            [[failed_event()], [classified], [requested], [event_of(EventType.CHARGE_DECLINED)]][: n + 2],
        )
    before = await _read_ledger(database)
    assert len(before) == 5
    async with as_owner.begin() as session:
        await session.execute(text("DELETE FROM network_attempt WHERE recovery_id LIKE '%in_2'"))
        await session.execute(text("UPDATE network_attempt SET outcome = 'approved', key = key || '-forged'"))
        await rebuild_read_model(session)
    assert await _read_ledger(database) == before


async def _read_ledger(database: Database) -> list[Any]:
    async with database.begin() as session:
        result = await session.execute(text("SELECT * FROM network_attempt ORDER BY recovery_id, key"))
        return [dict(row) for row in result.mappings()]


async def _read_table(database: Database) -> list[Any]:
    async with database.begin() as session:
        query = text("SELECT to_jsonb(r) - 'checked_at' FROM recovery r ORDER BY recovery_id")
        return list((await session.execute(query)).scalars())


def run_forgery(addresses: Addresses, *statements: str) -> None:
    """Runs statements that only somebody with full access could run."""
    with psycopg.connect(addresses.superuser.replace("+psycopg", "")) as connection:
        connection.execute("ALTER TABLE event_log DISABLE TRIGGER ALL")
        for statement in statements:
            connection.execute(statement)
        connection.execute("ALTER TABLE event_log ENABLE TRIGGER ALL")


CHANGED = "not what was hashed"
FORGERIES = {
    "UPDATE event_log SET data = data || '{\"amount\": 1}' WHERE sequence = 1": CHANGED,
    "UPDATE event_log SET recorded_at = recorded_at - interval '1 microsecond' WHERE sequence = 2": CHANGED,
    "UPDATE event_log SET hash = sha256(hash) WHERE sequence = 2": "does not follow",
    "UPDATE event_log SET data = '{\"a\": 0.1}' WHERE sequence = 2": CHANGED,
    "UPDATE event_log SET type = 'nonsense' WHERE sequence = 2": "can't be read",
    "DELETE FROM event_log WHERE sequence = 1": "row 1 is missing",
    "DELETE FROM event_log WHERE sequence = 2": "row 2 is missing",
    "DELETE FROM event_log WHERE sequence = 3": "read model has sequence = 3, the log says 2",
    "DELETE FROM event_log": "the log does not",
    "UPDATE event_log SET opened_on = '2026-10-01' WHERE sequence = 2": "row 2 is missing",
    "UPDATE recovery SET amount = 1": "read model has amount = 1, the log says 500",
    "DELETE FROM recovery": "read model has row = None",
}


@pytest.mark.parametrize(("forgery", "complaint"), FORGERIES.items())
async def test_forged_rows_are_detected(own_database: tuple[Database, Addresses], forgery: str, complaint: str) -> None:
    database, addresses = own_database
    recovery = await write_recovery(
        database, "in_1", [[failed_event()], [event_of(EventType.PAUSED)], [event_of(EventType.RESUMED)]]
    )
    honest = await write_recovery(database, "in_2", [[failed_event()]])
    assert await audit.verify_log(database) == audit.AuditReport(recoveries=2, rows=4)
    run_forgery(
        addresses, f"{forgery} {'AND' if 'WHERE' in forgery else 'WHERE'} recovery_id = '{recovery.recovery_id}'"
    )
    report = await audit.verify_log(database)
    assert any(complaint in problem.what for problem in report.problems), report
    assert {problem.recovery_id for problem in report.problems} == {recovery.recovery_id}
    assert (await audit.verify_log(database, honest.recovery_id)).is_clean
    assert not (await audit.verify_log(database, recovery.recovery_id)).is_clean


async def test_rebuild_reports_progress_and_does_not_block_writers(database: Database) -> None:
    await write_recovery(database, f"in_any_{next(NUMBERS)}", [[failed_event()]])
    progress: list[int] = []
    report = await audit.verify_log(database, progress=progress.append)
    assert (progress, progress[-1]) == (sorted(progress), report.recoveries)
    assert (await audit.verify_log(database, "recovery-stripe-unknown")) == audit.AuditReport()
