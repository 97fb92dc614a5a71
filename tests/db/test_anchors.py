"""Anchors: every later change of the log contradicts the anchor of its rows, and every change of the file is seen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import InvalidInput
from core.recovery import machine
from db.anchors import SETTLED_AFTER, Anchor, next_anchor, read_anchors, verify_anchors
from db.repositories import event_log
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import blank_recovery, canceled_event, failed_event
from tests.db.test_audit import own_database, run_forgery

__all__ = ["own_database"]

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def write_recovery(database: Database, invoice_id: str, opened_at: datetime, ended_at: datetime) -> None:
    """A recovery with rows recorded at these two times."""
    recovery = blank_recovery(invoice_id)
    async with database.begin() as session:
        first = await event_log.append_to_log(session, recovery, [failed_event()], opened_at, opened_at)
        recovery = machine.fold_records(recovery, first)
        await event_log.append_to_log(session, recovery, [canceled_event()], ended_at, ended_at)


async def anchor_hours(database: Database, hours: int) -> list[str]:
    """The lines of an anchor file that was appended to every hour."""
    lines: list[str] = []
    anchor = None
    for hour in range(1, hours + 1):
        anchor = await next_anchor(database, anchor, START + hour * HOUR + SETTLED_AFTER)
        assert anchor
        lines.append(anchor.to_line())
    return lines


async def anchored_log(database: Database) -> list[Anchor]:
    """Three hours: one recovery in the first, one from the first to the second, none in the third."""
    await write_recovery(database, "in_1", START, START + timedelta(minutes=10))
    await write_recovery(database, "in_2", START + timedelta(minutes=30), START + HOUR + timedelta(minutes=30))
    anchors = read_anchors("\n".join(await anchor_hours(database, 3)))
    assert [anchor.recoveries for anchor in anchors] == [2, 1, 0]
    return anchors


async def test_untouched_log_agrees_with_its_anchors(own_database: tuple[Database, Addresses]) -> None:
    database, _ = own_database
    anchors = await anchored_log(database)
    await write_recovery(database, "in_later", START + 5 * HOUR, START + 6 * HOUR)
    assert await verify_anchors(database, anchors) == []


@pytest.mark.parametrize(
    ("forgery", "contradicted"),
    {
        "UPDATE event_log SET hash = sha256(hash) WHERE invoice_id = 'in_1' AND type = 'recovery.closed'": [0],
        "UPDATE event_log SET hash = sha256(hash) WHERE invoice_id = 'in_2' AND sequence = 1": [0],
        "UPDATE event_log SET hash = sha256(hash) WHERE invoice_id = 'in_2' AND type = 'recovery.closed'": [1],
        "DELETE FROM event_log WHERE invoice_id = 'in_1' AND type = 'recovery.closed'": [0],
        "DELETE FROM event_log WHERE invoice_id = 'in_2'": [0, 1],
        "UPDATE event_log SET recorded_at = recorded_at + interval '1 hour' WHERE invoice_id = 'in_1'": [0, 1],
        "UPDATE event_log SET recovery_id = 'recovery-stripe-in_9' WHERE invoice_id = 'in_1'": [0],
    }.items(),
)
async def test_changed_rows_contradict_their_anchor(
    own_database: tuple[Database, Addresses], forgery: str, contradicted: list[int]
) -> None:
    database, addresses = own_database
    anchors = await anchored_log(database)
    run_forgery(addresses, forgery)
    assert [problem.anchor for problem in await verify_anchors(database, anchors)] == [
        anchors[number] for number in contradicted
    ]


async def test_recovery_that_was_added_later_contradicts_the_anchor(own_database: tuple[Database, Addresses]) -> None:
    database, _ = own_database
    anchors = await anchored_log(database)
    await write_recovery(database, "in_forged", START + timedelta(minutes=1), START + timedelta(minutes=2))
    (problem,) = await verify_anchors(database, anchors)
    assert problem.anchor == anchors[0]
    assert problem.what == "2 recoveries got rows in this span when it was anchored, the log has 3 now"


async def test_rows_that_may_still_be_uncommitted_are_left_to_the_next_anchor(
    own_database: tuple[Database, Addresses],
) -> None:
    database, _ = own_database
    anchor = await next_anchor(database, None, START + SETTLED_AFTER + timedelta(seconds=59))
    assert anchor
    assert anchor.until == START
    assert await next_anchor(database, anchor, START + SETTLED_AFTER + timedelta(seconds=59)) is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[0].replace('"recoveries":2', '"recoveries":3'), *lines[1:]], 2),
        (lambda lines: [*lines, "no anchor"], 4),
        (lambda lines: [*lines[:2], lines[2].replace('"since":', '"since": ')], 3),
    ],
)
async def test_changed_file_is_refused(
    own_database: tuple[Database, Addresses], change: Callable[[list[str]], list[str]], line: int
) -> None:
    database, _ = own_database
    await anchored_log(database)
    lines = change(await anchor_hours(database, 3))
    with pytest.raises(InvalidInput, match=f"line {line} of the anchor file"):
        read_anchors("\n".join(lines))
