"""The hash chain of `event_log`, computed anew from what docs/events.md says about it and not by the product's code."""

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from tests.faults.rounds.evidence import Row

FIRST_PREVIOUS_HASH: Final = b"\0" * 32
HASHES: Final = frozenset({"hash", "previous_hash"})


def find_broken_links(rows: list[Row]) -> list[str]:
    """What is wrong with one recovery's rows, given in sequence order: gaps, links, content, time. Empty if nothing."""
    wrong, before, expected, latest = [], FIRST_PREVIOUS_HASH, 1, rows[0]["recorded_at"]
    for row in rows:
        sequence = row["sequence"]
        if sequence != expected:
            wrong.append(f"sequence {sequence} stands where {expected} is due")
        if bytes(row["previous_hash"]) != before:
            wrong.append(f"row {sequence} does not follow from the row before it")
        if row_hash(row) != bytes(row["hash"]):
            wrong.append(f"row {sequence} is not what was hashed")
        if row["recorded_at"] < latest:
            wrong.append(f"row {sequence} was recorded before the row before it")
        before, expected, latest = bytes(row["hash"]), sequence + 1, row["recorded_at"]
    return wrong


def row_hash(row: Row) -> bytes:
    """The SHA-256 of the hash before and the canonical JSON of every other column."""
    columns = {name: _plain(value) for name, value in row.items() if name not in HASHES}
    text = json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(bytes(row["previous_hash"]) + text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date | UUID):
        return str(value)
    return value
