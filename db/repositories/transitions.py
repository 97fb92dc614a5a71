"""The rows of one transition: chained, and stored in one statement with the attempt ledger and the read model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import text

from core.card_networks.rules import LedgerEntry
from core.events import Record
from core.recovery.state import Recovery
from db import chain
from db.models import event_log as table
from db.repositories import network_attempts, recoveries
from db.session import Session
from db.statements import HotStatement

Row = Mapping[Any, Any]
"""A row of `event_log` by column name."""

COLUMNS: Final = ", ".join(column.name for column in table.columns)
# unnest makes rows of one array per column.
LOG_ROWS: Final = f"""
    INSERT INTO event_log ({COLUMNS})
    SELECT :recovery_id, sequence, event_id, type, occurred_at, :recorded_at, :provider, :invoice_id, :customer_id,
           attempt, from_state, to_state, data::jsonb, previous_hash, hash, :opened_on
    FROM unnest(
        CAST(:sequence AS int[]), CAST(:event_id AS uuid[]), CAST(:type AS text[]),
        CAST(:occurred_at AS timestamptz[]), CAST(:attempt AS int[]), CAST(:from_state AS text[]),
        CAST(:to_state AS text[]), CAST(:data AS text[]), CAST(:previous_hash AS bytea[]), CAST(:hash AS bytea[])
    ) AS new (sequence, event_id, type, occurred_at, attempt, from_state, to_state, data, previous_hash, hash)
"""
WRITE: Final = HotStatement(
    text(f"WITH log_rows AS ({LOG_ROWS}), ledger_rows AS ({network_attempts.SAVE}) {recoveries.SAVE}")
)
PER_ROW: Final = (
    "sequence", "event_id", "type", "occurred_at", "attempt", "from_state", "to_state", "data", "previous_hash", "hash",
)  # fmt: skip
SHARED: Final = ("recovery_id", "recorded_at", "provider", "invoice_id", "customer_id", "opened_on")


async def store_transition(
    session: Session, rows: Sequence[Row], attempts: Sequence[LedgerEntry], recovery: Mapping[str, Any]
) -> None:
    """Inserts rows that `chain_rows` returned, with their ledger entries and the read model's row, or none of them."""
    saved = network_attempts.save_parameters(attempts) | recoveries.save_parameters([recovery])
    await WRITE.execute(session, _column_arrays(rows) | saved)


def event_id_of(recovery_id: str, sequence: int) -> UUID:
    """The id of a row, derived from recovery and sequence: the same in every repeat."""
    return uuid5(NAMESPACE_URL, f"pri:{recovery_id}:{sequence}")


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
    """The parameters of LOG_ROWS: values that all rows share once, the others as one array per column."""
    shared = {name: new[0][name] for name in SHARED}
    arrays = {name: [row[name] for row in new] for name in PER_ROW}
    arrays["data"] = [json.dumps(data, ensure_ascii=False, allow_nan=False) for data in arrays["data"]]
    return shared | arrays
