"""Invalid tables and history files: one line says what is wrong and where, and nothing is written."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.errors import RecoveryError
from core.payment_history import MAX_AMOUNT
from settings import SHIPPED_POLICY
from simulator.history import attempts_table, files
from tests.commands.conftest import Pri

HEADER = "invoice,attempted_at,outcome,amount,currency"
ROW = "in_1,2026-03-02T09:30:00Z,declined,4900,EUR"
FIRST = '{"format": "pri-history", "version": 1, "provider": "stripe"}\n'


def table_with(column: str, value: str) -> bytes:
    """A table with one row that has this value in this column."""
    if column in HEADER.split(","):
        cells = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | {column: value}
        return f"{HEADER}\n{','.join(cells.values())}\n".encode()
    return f"{HEADER},{column}\n{ROW},{value}\n".encode()


TABLES: dict[str, tuple[bytes, str]] = {
    "the end of the calendar": (
        table_with("ended_at", "9999-12-31T23:59:59-08:00"),
        "mine.csv:2: column ended_at: '9999",
    ),
    "its beginning": (table_with("ended_at", "0001-01-01T00:00:00+05:00"), "mine.csv:2: column ended_at: '0001"),
    "a placeholder": (
        table_with("paid_at", "9999-12-31"),
        "mine.csv:2: column paid_at: '9999-12-31' does not lie between",
    ),
    "no date": (table_with("attempted_at", "1899-12-30"), "mine.csv:2: column attempted_at: '1899-12-30' does not lie"),
    "before everything": (
        table_with("customer_since", "0001-01-01"),
        "mine.csv:2: column customer_since: '0001-01-01'",
    ),
    "2^63": (
        table_with("amount", str(2**63)),
        "mine.csv:2: column amount: 9223372036854775808… is more than any invoice",
    ),
    "5,000 digits": (table_with("amount", "1" * 5_000), "mine.csv:2: column amount: this is no text of one line"),
    "400 digits": (
        table_with("amount", "9" * 400),
        "mine.csv:2: column amount: 99999999999999999999… is more than any",
    ),
    "nothing": (table_with("amount", "000"), "mine.csv:2: column amount: '000' is no whole number"),
    "less than nothing": (table_with("amount", "-1"), "mine.csv:2: column amount: '-1' is no whole number"),
    "other digits": (table_with("amount", "４９００"), "mine.csv:2: column amount: '４９００' is no whole number"),
    "a country's name": (
        table_with("country", "Germany"),
        "mine.csv:2: column country: 'Germany' is no ISO 3166 code like DE.",
    ),
    "three letters": (table_with("card_country", "DEU"), "mine.csv:2: column card_country: 'DEU' is no ISO 3166 code"),
    "no country": (table_with("country", "ZZ"), "mine.csv:2: column country: 'ZZ' is no ISO 3166 code"),
    "an offset": (
        table_with("time_zone", "CET+1"),
        "mine.csv:2: column time_zone: 'CET+1' is no zone of the tz database",
    ),
    "a path": (
        table_with("time_zone", "../../etc/passwd"),
        "mine.csv:2: column time_zone: '../../etc/passwd' is no zone",
    ),
    "a NUL": (table_with("invoice", "in\0"), "mine.csv:2: column invoice: this is no text of one line"),
    "a line break": (table_with("code", '"a\nb"'), "mine.csv:3: column code: this is no text of one line"),
    "Latin-1": (
        table_with("customer", "x").replace(b"x", "Müller".encode("latin-1")),
        "mine.csv:2: the line is no UTF-8.",
    ),
    "UTF-16": (f"{HEADER}\n{ROW}\n".encode("utf-16"), "mine.csv:1: the line is no UTF-8."),
    "gzip": (gzip.compress(f"{HEADER}\n{ROW}\n".encode()), "mine.csv:1: the line is no UTF-8."),
    "columns twice": (f"{HEADER},amount\n{ROW},1\n".encode(), "mine.csv:1: the columns amount come twice."),
    "a quote without end": (f'{HEADER}\n{ROW}\n"in_2,x\n'.encode(), "mine.csv:3: unexpected end of data"),
    "a long cell": (table_with("code", "x" * 200_000), "mine.csv:2: field larger than field limit"),
}


@pytest.mark.parametrize(("content", "problem"), TABLES.values(), ids=TABLES)
def test_table_mistake_is_a_one_line_error(pri: Pri, tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    assert pri("import", "csv", "mine.csv", "--out", "past.jsonl").error_line().startswith(f"pri: {problem}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_unusual_valid_table_is_accepted(pri: Pri, tmp_path: Path) -> None:
    columns = "country,card_country,time_zone,customer_since,ended_at"
    cells = "de,XK,America/Argentina/Buenos_Aires,1969-07-20,2026-04-01T00:00:00-12:00"
    big = ROW.replace("4900", f"00{MAX_AMOUNT}")
    (tmp_path / "mine.csv").write_bytes(f"\ufeff{HEADER},{columns}\r\n{big},{cells}\r\n".encode())
    assert pri("import", "csv", "mine.csv", "--out", "past.jsonl").out == "past.jsonl: 1 failed invoices\n"
    assert len(files.read_history_file(tmp_path / "past.jsonl", lambda *_: Cause.GENERIC)) == 1


def history_line(**changes: Any) -> str:
    """A line of a history file with these parts."""
    record = {
        "invoice_id": '"in_1"', "amount": "4900", "currency": '"EUR"', "end": '"lost"',
        "attempts": '[{"at": "2026-03-02T09:30:00Z", "outcome": "declined"}]',
    } | changes  # fmt: skip
    return "{" + ", ".join(f'"{name}": {value}' for name, value in record.items()) + "}"


LINES = {
    "2^63": (history_line(amount=str(2**63)), "2: amount: "),
    "5,000 digits": (history_line(amount="1" * 5_000), "2: "),
    "the end of the calendar": (history_line(ended_at='"9999-12-31T23:59:59-08:00"'), "2: ended_at: the time must lie"),
    "its beginning": (history_line(paid_at='"0001-01-01T00:00:00+05:00"'), "2: paid_at: the time must lie"),
    "a name": (history_line(country='"Germany"'), "2: country: "),
    "three letters": (history_line(card='{"country": "DEU"}'), "2: card.country: 'DEU' is no ISO 3166 code"),
    "an offset": (history_line(time_zone='"CET+1"'), "2: time_zone: 'CET+1' is no zone like Europe/Berlin."),
    "a NUL": (history_line(invoice_id='"in\0"'), "2: "),
    "half a line": (history_line()[:40], "2: "),
}


@pytest.mark.parametrize(("line", "problem"), LINES.values(), ids=LINES)
def test_history_mistake_names_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "past.jsonl"
    path.write_text(f"{FIRST}{line}\n{history_line()}\n")
    with pytest.raises(RecoveryError) as excinfo:
        files.read_history_file(path, lambda *_: Cause.GENERIC)
    assert str(excinfo.value).startswith(f"{path}:{problem}")
    assert "\n" not in str(excinfo.value)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_byte(content: bytes) -> bytes:
    return content[:60] + bytes(byte ^ 0xFF for byte in content[60:90]) + content[90:]


def break_checksum(content: bytes) -> bytes:
    return content[:-8] + b"\0" * 8


def drop_checksum(content: bytes) -> bytes:
    return content[2:]


def append_bytes(content: bytes) -> bytes:
    return content + b"trailing"


@pytest.mark.parametrize("damage", [truncate, flip_byte, break_checksum, drop_checksum, append_bytes])
def test_damaged_archive_is_reported(pri: Pri, tmp_path: Path, damage: Any) -> None:
    lines = "".join(f"{history_line(invoice_id=f'{chr(34)}in_{number}{chr(34)}')}\n" for number in range(500))
    (tmp_path / "past.jsonl.gz").write_bytes(damage(gzip.compress((FIRST + lines).encode())))
    error = pri("simulate", "--policy", str(SHIPPED_POLICY), "--source", "past.jsonl.gz", "--out", "out").error_line()
    assert "past.jsonl.gz:" in error
    assert "the file is damaged" in error


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_file_is_a_history_or_a_typed_error(tmp_path: Path, content: bytes, headed: bool) -> None:
    table, history = tmp_path / "any.csv", tmp_path / "any.jsonl"
    table.write_bytes((f"{HEADER},ended_at,country,time_zone\n{ROW},".encode() if headed else b"") + content)
    history.write_bytes((FIRST.encode() if headed else b"") + content)
    for problem in (
        _error_text(lambda: attempts_table.read_attempts_table(table)),
        _error_text(lambda: files.read_history_file(history, lambda *_: Cause.GENERIC)),
    ):
        assert "\n" not in problem


def _error_text(read_file: Callable[[], object]) -> str:
    """The text of a RecoveryError; empty without one."""
    try:
        read_file()
    except RecoveryError as error:
        return str(error)
    return ""
