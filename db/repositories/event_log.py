"""The event log: one gap-free, hash-chained sequence per recovery, written together with the read model.

Writers of one recovery take turns (an advisory lock per recovery, held until the transaction ends), so that the second
one reads what the first has committed instead of writing a second branch of the sequence.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select, text

from core.errors import InvalidInput, RecoveryError
from core.events import Event, Record, upgrade_record
from core.ids import recovery_id as name_of
from core.recovery import machine
from core.recovery.state import Recovery
from core.redaction.trees import redact_tree
from db import chain
from db.models import event_log as table
from db.repositories import network_attempts, recoveries
from db.session import Session


async def ensure_month_partition(session: Session, day: date) -> bool:
    """Creates the partition of the day's month if it is missing; returns whether it was created."""
    made = await session.execute(text("SELECT ensure_event_log_partition(:day)"), {"day": day})
    return bool(made.scalar_one())


Row = Mapping[Any, Any]
"""A row of `event_log` by column name."""

COLUMNS: Final = ", ".join(column.name for column in table.columns)
# The clock is read once the lock is held: OFFSET keeps the planner from merging the two queries. So rows of one
# recovery are recorded in their order, and the request of a charge before the provider can hear of it.
LOCK: Final = text("""
    SELECT clock_timestamp() FROM (SELECT pg_advisory_xact_lock(hashtextextended(:recovery_id, 0)) OFFSET 0) AS locked
""")
# The opening day lets PostgreSQL read one partition only. It is looked up in the log itself, not in the read model:
# what decides whether a row exists must not depend on a table that may be rebuilt.
READ: Final = text(f"""
    SELECT {COLUMNS} FROM event_log
    WHERE recovery_id = :recovery_id AND sequence >= :first
      AND opened_on = (SELECT min(opened_on) FROM event_log WHERE recovery_id = :recovery_id AND sequence = 1)
    ORDER BY sequence
""").columns(*table.columns)
# All rows of a transition in one statement: unnest makes rows of one array per column.
WRITE: Final = text(f"""
    INSERT INTO event_log ({COLUMNS})
    SELECT :recovery_id, sequence, event_id, type, occurred_at, :recorded_at, :provider, :invoice_id, :customer_id,
           attempt, from_state, to_state, data::jsonb, previous_hash, hash, :opened_on
    FROM unnest(
        CAST(:sequence AS int[]), CAST(:event_id AS uuid[]), CAST(:type AS text[]),
        CAST(:occurred_at AS timestamptz[]), CAST(:attempt AS int[]), CAST(:from_state AS text[]),
        CAST(:to_state AS text[]), CAST(:data AS text[]), CAST(:previous_hash AS bytea[]), CAST(:hash AS bytea[])
    ) AS new (sequence, event_id, type, occurred_at, attempt, from_state, to_state, data, previous_hash, hash)
""")
PER_ROW: Final = (
    "sequence", "event_id", "type", "occurred_at", "attempt", "from_state", "to_state", "data", "previous_hash", "hash",
)  # fmt: skip
SHARED: Final = ("recovery_id", "recorded_at", "provider", "invoice_id", "customer_id", "opened_on")


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
    # Locked before reading: otherwise two writers could both find nothing after `before` and both write.
    locked_at = await lock_recovery(session, before.recovery_id)
    # From the last known row on: its hash starts the new links, and it shows that the log reaches `before`.
    stored = await _read_rows(session, before.recovery_id, max(before.sequence, 1))
    written = [row for row in stored if row["sequence"] > before.sequence]
    if written:
        return tuple(map(record_of, written))
    last = _last_row(before, stored)
    return await _write_rows(session, before, last, map(_storable_event, events), now, recorded_at or locked_at)


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
    locked_at = await lock_recovery(session, recovery_id)
    stored = await _read_rows(session, recovery_id, 1)
    recovery = _fold_stored(stored)
    if recovery is None or not recovery.stage.is_final:
        return None
    if known := _row_of_event(stored, late.data.get("event_id")):
        return record_of(known)
    rows = await _write_rows(session, recovery, stored[-1], [_storable_event(late)], now, recorded_at or locked_at)
    return rows[-1]


async def load_records(session: Session, recovery_id: str, first: int = 1) -> tuple[Record, ...]:
    """The records of a recovery from sequence `first` on, in order; empty if there are none."""
    return tuple(map(record_of, await _read_rows(session, recovery_id, first)))


async def load_recovery(session: Session, recovery_id: str) -> Recovery | None:
    """The recovery's state, folded from all its rows; None if the log has none."""
    return _fold_stored(await _read_rows(session, recovery_id, 1))


async def load_rows(session: Session, recovery_id: str) -> list[dict[str, Any]]:
    """All rows of a recovery in order, by column name, with both hashes in hex; empty if there are none."""
    found = await _read_rows(session, recovery_id, 1)
    return [dict(row) | {"previous_hash": row["previous_hash"].hex(), "hash": row["hash"].hex()} for row in found]


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


def event_id_of(recovery_id: str, sequence: int) -> UUID:
    """The id of a row, derived from recovery and sequence: the same in every repeat."""
    return uuid5(NAMESPACE_URL, f"pri:{recovery_id}:{sequence}")


async def lock_recovery(session: Session, recovery_id: str) -> datetime:
    """Makes this transaction the only writer of the recovery until it ends; waits for another one.

    Returns the database's clock once the lock is held (UTC).

    The lock is a statement of its own because at READ COMMITTED each statement takes a new snapshot: the read that
    follows sees what the previous holder committed while this one waited.
    """
    locked_at: datetime = (await session.execute(LOCK, {"recovery_id": recovery_id})).scalar_one()
    return locked_at


async def _read_rows(session: Session, recovery_id: str, first: int) -> list[Row]:
    found = await session.execute(READ, {"recovery_id": recovery_id, "first": first})
    return [*found.mappings()]


def _fold_stored(stored: Sequence[Row]) -> Recovery | None:
    return fold_rows(stored) if stored else None


def _row_of_event(stored: Sequence[Row], event_id: Any) -> Row | None:
    """The row that was written for this provider event; None if there is none."""
    if event_id is None:
        return None
    return next((row for row in stored if row["data"].get("event_id") == event_id), None)


def _last_row(before: Recovery, stored: Sequence[Row]) -> Row | None:
    """The row that the next one follows; None at the beginning. Raises RecoveryError where the log is too short."""
    if before.sequence == 0:
        return None
    if not stored:
        raise RecoveryError(f"The log of {before.recovery_id} ends before row {before.sequence}; nothing was written.")
    return stored[0]


def _storable_event(event: Event) -> Event:
    """The event as it will be read back, so that what is hashed and returned is what is stored. Raises InvalidInput."""
    if event.occurred_at.tzinfo is None:
        raise InvalidInput(f"An event of type {event.type} has a time without a time zone.")
    at = event.occurred_at.astimezone(UTC)
    # What came from outside was redacted as it came in; strategies, scorers and channels of others write texts, too.
    data = redact_tree(chain.to_json_value(event.data.stored))
    return event.holding(event.type, data).model_copy(update={"occurred_at": at})


async def _write_rows(
    session: Session,
    before: Recovery,
    last: Row | None,
    events: Iterable[Event],
    now: datetime,
    recorded_at: datetime,
) -> tuple[Record, ...]:
    after, records = machine.append_events(before, events, now)
    if not records:
        return ()
    # A clock that was set back, or a standby's after a failover, must not turn the order of the rows around.
    recorded_at = max(recorded_at, last["recorded_at"]) if last else recorded_at
    opened_on = last["opened_on"] if last else await _open_partition(session, after, records[0])
    new = chain_rows(after, records, last["hash"] if last else chain.GENESIS, opened_on, recorded_at)
    # One transaction: log, attempt ledger and read model are committed together or not at all.
    await session.execute(WRITE, _column_arrays(new))
    await network_attempts.save_attempts(session, before, records)
    await recoveries.save_recoveries(session, [recoveries.project_recovery(after, opened_on, recorded_at)])
    return records


async def _open_partition(session: Session, after: Recovery, first: Record) -> date:
    """The UTC day that all rows of this recovery carry; creates its partition (an import may be years old)."""
    opened_on = (after.opened_at or first.occurred_at).astimezone(UTC).date()
    await ensure_month_partition(session, opened_on)
    return opened_on


def chain_rows(
    after: Recovery, records: Iterable[Record], previous: bytes, opened_on: date, recorded_at: datetime
) -> list[dict[str, Any]]:
    """The rows to store by column name, each linked to the hash of the one before it."""
    new = []
    for record in records:
        placed = {"opened_on": opened_on, "recorded_at": recorded_at, "previous_hash": previous}
        row = _row_values(after, record) | placed
        previous = row["hash"] = chain.link_hash(previous, row)
        new.append(row)
    return new


def _row_values(after: Recovery, record: Record) -> dict[str, Any]:
    return {
        **dict(record),
        "data": dict(record.data.stored),
        "recovery_id": after.recovery_id,
        "event_id": event_id_of(after.recovery_id, record.sequence),
        "type": record.type.value,
        "provider": after.provider,
        "invoice_id": after.invoice_id,
        "customer_id": after.customer_id,
        "from_state": record.from_state.value if record.from_state else None,
        "to_state": record.to_state.value,
    }


def _column_arrays(new: Sequence[Row]) -> dict[str, Any]:
    """The parameters of WRITE: values that all rows share once, the others as one array per column."""
    shared = {name: new[0][name] for name in SHARED}
    arrays = {name: [row[name] for row in new] for name in PER_ROW}
    arrays["data"] = [json.dumps(data, ensure_ascii=False, allow_nan=False) for data in arrays["data"]]
    return shared | arrays
