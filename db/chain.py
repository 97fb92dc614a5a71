"""The hash chain of one recovery: each row's hash covers the row and the hash before it.

    hash = sha256(previous_hash + canonical JSON of the other columns)

Canonical JSON: sorted keys, no spaces, UTF-8, times in RFC 3339 UTC with six decimals, no floats. It must come out the
same before a row is stored and after it is read, so `to_json_value` first brings data to a form that jsonb returns
unchanged.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from core.base import Value
from core.errors import InvalidInput

GENESIS: Final = bytes(32)
"""The previous hash of the first row: 32 zero bytes."""
HASHED_COLUMNS: Final = (
    "recovery_id", "sequence", "event_id", "type", "occurred_at", "recorded_at", "provider", "invoice_id",
    "customer_id", "attempt", "from_state", "to_state", "data", "opened_on",
)  # fmt: skip
"""Every column but the two hashes."""
TEXT_COLUMNS: Final = tuple(name for name in HASHED_COLUMNS if name != "data")
DEEPEST: Final = 50
LARGEST: Final = 10**1000
"""Far more than any amount; Python refuses to read integers of more than 4300 digits back."""
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL can't hold in text: NUL, and halves of surrogate pairs, which have no UTF-8."""


class Problem(Value):
    """One fault of a recovery's rows. `sequence` is the row; None where the recovery as a whole is at fault."""

    recovery_id: str
    sequence: int | None
    what: str


def to_json_value(value: Any, depth: int = 0) -> Any:
    """The value as jsonb returns it: unstorable characters replaced by U+FFFD, tuples as lists.

    Raises InvalidInput for what would not be hashed the same after storage: floats, integers of more than 1000 digits,
    other types, keys that are no text, more than 50 levels.
    """
    if depth > DEEPEST:
        raise InvalidInput("Data of an event is nested too deeply.")
    # Before the integers: bool is a subclass of int and must stay true or false.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return replace_unstorable(value)
    if isinstance(value, int) and abs(value) < LARGEST:
        return int(value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {replace_unstorable(key): to_json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item, depth + 1) for item in value]
    raise InvalidInput(f"Data of an event can't hold a {type(value).__name__}; use text, integers, lists, objects.")


def replace_unstorable(text: str) -> str:
    """The text as a plain str, with U+FFFD in place of each character that PostgreSQL can't hold."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", str(text))


def canonical_bytes(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row that are hashed. Raises InvalidInput for data that `to_json_value` refuses."""
    return _encode_row(row, to_json_value(row["data"]))


ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""Built once: `json.dumps` with other than its defaults builds one per call."""


def _encode_row(row: Mapping[str, Any], data: Any) -> bytes:
    fields = {name: _column_text(row[name]) for name in TEXT_COLUMNS}
    fields["data"] = data
    return ENCODER.encode(fields).encode()


def _column_text(value: Any) -> Any:
    if value is None or type(value) in (str, int):
        return value
    # UTC, always with microseconds: the same instant gives the same bytes whatever time zone a session reads it in.
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, (date, UUID)) else value


def link_hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The SHA-256 hash (32 bytes) of a row that follows one with the hash `previous`. Raises as `canonical_bytes`."""
    return hashlib.sha256(previous + canonical_bytes(row)).digest()


def verify_chain(rows: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """The faults of one recovery's rows, given in sequence order: gaps, broken links, changed content. Empty if none.

    Rows that were cut off at the end leave no trace here; `db.audit` compares with the read model for that.
    """
    problems: list[Problem] = []
    before, expected = GENESIS, 1
    for row in rows:
        problems += [_row_problem(row, what) for what in _find_faults(row, before, expected)]
        # The next row is judged by what this row says, right or wrong: one forged row is one problem, not one for
        # each row that follows.
        before, expected = bytes(row["hash"]), row["sequence"] + 1
    return problems


def _find_faults(row: Mapping[str, Any], before: bytes, expected: int) -> list[str]:
    faults = []
    if row["sequence"] != expected:
        faults.append(f"row {expected} is missing")
    elif bytes(row["previous_hash"]) != before:
        faults.append("does not follow from the row before it")
    if not _is_genuine(row):
        faults.append("its content is not what was hashed")
    return faults


def _is_genuine(row: Mapping[str, Any]) -> bool:
    # Data that jsonb returned is in the form that was hashed: bringing it there again would take half of the time.
    content = _encode_row(row, row["data"])
    return hashlib.sha256(bytes(row["previous_hash"]) + content).digest() == bytes(row["hash"])


def _row_problem(row: Mapping[str, Any], what: str) -> Problem:
    return Problem(recovery_id=row["recovery_id"], sequence=row["sequence"], what=what)
