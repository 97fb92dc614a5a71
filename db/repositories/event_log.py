"""The event log: one gap-free, hash-chained sequence per recovery, written together with the read model.

Writers of one recovery take turns (an advisory lock per recovery, held until the transaction ends), so that the second
one reads what the first has committed instead of writing a second branch of the sequence.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select, text

from core.errors import InvalidInput, RecoveryError
from core.events import Event, Record, upgrade_record
from core.ids import recovery_id as name_of
from core.recovery import machine
from core.recovery.state import Recovery
from core.redaction.trees import redact_tree
from db import chain
from db.models import event_log as table
from db.partitions import ensure_month_partition
from db.repositories import network_attempts, transitions
from db.repositories.recoveries import project_recovery
from db.repositories.transitions import COLUMNS, Row, chain_rows
from db.session import Session
from db.statements import HotStatement

# The clock is read once the lock is held: OFFSET keeps the planner from merging the two queries. So rows of one
# recovery are recorded in their order, and the request of a charge before the provider can hear of it.
_LOCK: Final = """
    SELECT clock_timestamp() AS locked_at
    FROM (SELECT pg_advisory_xact_lock(hashtextextended(:recovery_id, 0)) OFFSET 0) AS locked
"""
LOCK: Final = text(_LOCK)
# One round trip for lock and read. The function takes a snapshot of its own, after the lock (see migration 0021): it
# sees what the previous holder committed while this one waited.
LOCK_AND_READ: Final = HotStatement(
    text(f"""
    SELECT locked_at, {COLUMNS}
    FROM ({_LOCK} OFFSET 0) AS turn
    LEFT JOIN LATERAL read_event_log(:recovery_id, :first, CAST(:likely_day AS date), locked_at) AS log ON true
    ORDER BY sequence
""")
)
# The opening day lets PostgreSQL read one partition only. It is looked up in the log itself, not in the read model:
# what decides whether a row exists must not depend on a table that may be rebuilt. OFFSET: for a plain minimum
# PostgreSQL walks an index ordered by day and misses the one of openings (measured: ten times the work).
READ: Final = text(f"""
    SELECT {COLUMNS} FROM event_log
    WHERE recovery_id = :recovery_id AND sequence >= :first AND opened_on = (
        SELECT min(day) FROM (
            SELECT opened_on AS day FROM event_log WHERE recovery_id = :recovery_id AND sequence = 1 OFFSET 0
        ) AS opening
    )
    ORDER BY sequence
""").columns(*table.columns)


class Turn(NamedTuple):
    """A transaction's turn to write after `before`, which it holds until it ends."""

    before: Recovery
    locked_at: datetime
    """The database's clock once the lock was held (UTC)."""
    likely_day: date | None
    """The day whose partition exists by now, where the recovery has no rows."""
    stored: Sequence[Row]
    """The rows from that of `before` on."""

    @property
    def written(self) -> tuple[Record, ...]:
        """The records that are there after `before`: an earlier execution committed them."""
        return tuple(record_of(row) for row in self.stored if row["sequence"] > self.before.sequence)


async def append_to_log(
    session: Session,
    before: Recovery,
    events: Sequence[Event],
    now: datetime,
    recorded_at: datetime | None = None,
) -> tuple[Record, ...]:
    """Writes these events after `before` and returns their records with the data as stored.

    `now` is when they were decided on, and when a closing row occurred. `recorded_at` is the database's clock under the
    lock, and never before the previous row's; only imports and tests give another.

    Where rows exist after `before` already, returns those and writes nothing, so repeating a call is safe. The closing
    row is added where the events end the recovery. Raises InvalidInput for data that can't be stored, RecoveryError
    where the log ends before `before` does.
    """
    turn = await take_turn(session, before, events[0] if events else None)
    return turn.written or await write_rows(session, turn, events, now, recorded_at)


async def take_turn(session: Session, before: Recovery, opening: Event | None = None) -> Turn:
    """Makes this transaction the only writer of the recovery and returns what is written from `before` on.

    `opening` is the first event of a recovery without rows, if it is to be opened.
    """
    opened_at = before.opened_at or (opening and before.sequence == 0 and opening.occurred_at) or None
    likely_day = utc_day(opened_at) if opened_at else None
    # Locked before reading: otherwise two writers could both find nothing after `before` and both write.
    # From the last known row on: its hash starts the new links, and it shows that the log reaches `before`.
    locked_at, stored = await lock_and_read(session, before.recovery_id, max(before.sequence, 1), likely_day)
    return Turn(before, locked_at, likely_day, stored)


async def write_rows(
    session: Session, turn: Turn, events: Iterable[Event], now: datetime, recorded_at: datetime | None = None
) -> tuple[Record, ...]:
    """As `append_to_log`, in a turn that found no rows after its `before`."""
    last = _last_row(turn)
    after, records = machine.append_events(turn.before, map(_storable_event, events), now)
    if not records:
        return ()
    recorded_at = recorded_at or turn.locked_at
    # A clock that was set back, or a standby's after a failover, must not turn the order of the rows around.
    recorded_at = max(recorded_at, last["recorded_at"]) if last else recorded_at
    opened_on = last["opened_on"] if last else await _open_partition(session, turn, after, records[0])
    new = chain_rows(after, records, last["hash"] if last else chain.GENESIS, opened_on, recorded_at)
    # One statement: log, attempt ledger and read model are written together or not at all.
    attempts = network_attempts.merge_entries(turn.before, records)
    await transitions.store_transition(session, new, attempts, project_recovery(after, opened_on, recorded_at))
    return records


async def append_late(
    session: Session,
    provider: str,
    invoice_id: str,
    late: Event,
    now: datetime,
    recorded_at: datetime | None = None,
) -> Record | None:
    """Writes a late event after the end of a closed recovery and returns its record.

    An event that was written before, known by `event_id` in its data, is not written again; its record is returned.
    None, with nothing written, if there is no such recovery or it is still open: then the event belongs to its
    workflow. Raises InvalidInput for data that can't be stored.
    """
    recovery_id = name_of(provider, invoice_id)
    # The lock that the workflow's activities take too: a recovery that closes at this moment is seen open or closed,
    # never in between.
    locked_at, stored = await lock_and_read(session, recovery_id, 1, None)
    recovery = _fold_stored(stored)
    if recovery is None or not recovery.stage.is_final:
        return None
    if known := _row_of_event(stored, late.data.get("event_id")):
        return record_of(known)
    turn = Turn(recovery, locked_at, None, stored[-1:])
    return (await write_rows(session, turn, [late], now, recorded_at))[-1]


async def load_records(session: Session, recovery_id: str, first: int = 1) -> tuple[Record, ...]:
    """The records of a recovery from sequence `first` on, in order; empty if there are none."""
    return tuple(map(record_of, await read_rows(session, recovery_id, first)))


async def load_recovery(session: Session, recovery_id: str) -> Recovery | None:
    """The recovery's state, folded from all its rows; None if the log has none."""
    return _fold_stored(await read_rows(session, recovery_id, 1))


STREAMED_ROWS: Final = 1_000
"""Rows that are fetched together."""


async def stream_histories(
    session: Session, recovery_id: str | None = None, days: tuple[date, date] | None = None
) -> AsyncIterator[list[Row]]:
    """Yields all rows of each recovery (or of one), in sequence order; one recovery is in memory at a time.

    `days`: only rows with an `opened_on` from the first day to the second, both included. Reads every partition
    otherwise, so that a verification also finds a row that lies in the wrong one.
    """
    query = select(*table.columns).order_by(table.c.opened_on, table.c.recovery_id, table.c.sequence)
    if recovery_id is not None:
        query = query.where(table.c.recovery_id == recovery_id)
    if days is not None:
        query = query.where(table.c.opened_on.between(*days))
    group: list[Row] = []
    async with session.stream(query, execution_options={"yield_per": STREAMED_ROWS}) as found:
        # In parts: a step of an asynchronous iteration takes longer than reading the row.
        async for rows in found.mappings().partitions():
            for row in rows:
                if group and group[-1]["recovery_id"] != row["recovery_id"]:
                    yield group
                    group = []
                group.append(row)
    if group:
        yield group


def record_of(row: Row) -> Record:
    """The record of a row with amounts in ISO minor units, whichever release wrote it. Raises ValueError, KeyError."""
    return upgrade_record(Record.model_validate({name: row[name] for name in Record.model_fields}), row["provider"])


def fold_rows(found: Sequence[Row]) -> Recovery:
    """The recovery's state, folded from all of its rows in sequence order."""
    return machine.fold_records(blank_of(found), map(record_of, found))


def blank_of(found: Sequence[Row]) -> Recovery:
    """The recovery of these rows as it was before the first of them: provider and invoice only."""
    return Recovery(provider=found[0]["provider"], invoice_id=found[0]["invoice_id"])


async def lock_recovery(session: Session, recovery_id: str) -> datetime:
    """Makes this transaction the only writer of the recovery until it ends; waits for another one.

    Returns the database's clock once the lock is held (UTC). Read in a later statement: at READ COMMITTED each one
    takes a new snapshot and sees what the previous holder committed while this one waited.
    """
    locked_at: datetime = (await session.execute(LOCK, {"recovery_id": recovery_id})).scalar_one()
    return locked_at


async def lock_and_read(
    session: Session, recovery_id: str, first: int, likely_day: date | None
) -> tuple[datetime, Sequence[Row]]:
    """Locks as `lock_recovery`; the clock, and the rows from `first` on in order.

    `likely_day` saves looking the recovery up in all partitions; for one without rows its partition is made.
    """
    wanted = {"recovery_id": recovery_id, "first": first, "likely_day": likely_day}
    found = await LOCK_AND_READ.fetch(session, wanted)
    return found[0]["locked_at"], [row for row in found if row["sequence"] is not None]


async def read_rows(session: Session, recovery_id: str, first: int = 1) -> list[Row]:
    """The rows of a recovery from sequence `first` on, in order, from the partition that the log itself names."""
    found = await session.execute(READ, {"recovery_id": recovery_id, "first": first})
    return [*found.mappings()]


def _fold_stored(stored: Sequence[Row]) -> Recovery | None:
    return fold_rows(stored) if stored else None


def _row_of_event(stored: Sequence[Row], event_id: Any) -> Row | None:
    """The row that was written for this provider event; None if there is none."""
    if event_id is None:
        return None
    return next((row for row in stored if row["data"].get("event_id") == event_id), None)


def _last_row(turn: Turn) -> Row | None:
    """The row that the next one follows; None at the beginning. Raises RecoveryError where the log is too short."""
    before = turn.before
    if before.sequence == 0:
        return None
    if not turn.stored:
        raise RecoveryError(f"The log of {before.recovery_id} ends before row {before.sequence}; nothing was written.")
    return turn.stored[0]


def _storable_event(event: Event) -> Event:
    """The event as it will be read back, so that what is hashed and returned is what is stored. Raises InvalidInput."""
    if event.occurred_at.tzinfo is None:
        raise InvalidInput(f"An event of type {event.type} has a time without a time zone.")
    at = event.occurred_at.astimezone(UTC)
    # What came from outside was redacted as it came in; strategies, scorers and channels of others write texts, too.
    data = redact_tree(chain.to_json_value(event.data.stored))
    return event.holding(event.type, data).model_copy(update={"occurred_at": at})


async def _open_partition(session: Session, turn: Turn, after: Recovery, first: Record) -> date:
    """The UTC day that all rows of this recovery carry; makes sure of its partition."""
    opened_on = utc_day(after.opened_at or first.occurred_at)
    if opened_on != turn.likely_day:
        await ensure_month_partition(session, opened_on)
    return opened_on


def utc_day(moment: datetime) -> date:
    """The day in UTC. A naive moment is refused later, with the event that it stands in."""
    return moment.astimezone(UTC).date()
