"""Parses the decline tables from CSV text into typed, frozen rows.

There are three kinds of table: a provider's own codes (`kind,code,cause,meaning,source`), the response codes of the
card networks (`network,code,cause,meaning,source`, with the network `any` for shared ones) and the advice codes of the
networks (`network,code,with_code,cause,wait_seconds,meaning,source`; a row with `with_code` applies only beside that
response code). Every row names its source by a number that docs/sources.md explains, or in full.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from types import MappingProxyType
from typing import TypeVar

from core.classification.taxonomy import Cause
from core.errors import InvalidInput

PROVIDER_COLUMNS = ("kind", "code", "cause", "meaning", "source")
NETWORK_COLUMNS = ("network", "code", "cause", "meaning", "source")
ADVICE_COLUMNS = ("network", "code", "with_code", "cause", "wait_seconds", "meaning", "source")

ANY_NETWORK = "any"

Key = TypeVar("Key")


class CodeKind(StrEnum):
    """Kind of a provider's code; the same text may be a code of several kinds."""

    DECLINE_CODE = "decline_code"
    ERROR_CODE = "error_code"
    OUTCOME_REASON = "outcome_reason"
    ADVICE_CODE = "advice_code"


@dataclass(frozen=True, slots=True)
class DeclineRow:
    """One line of a table."""

    table: str
    """The table: a provider, a network, or `any`."""
    kind: str
    """Kind of the code: decline_code, network_code, advice_code …"""
    code: str
    cause: Cause
    meaning: str
    source: str
    with_code: str = ""
    wait_seconds: int | None = None

    @property
    def name(self) -> str:
        """Table and row as text, stored as `decided_by`: `stripe decline_code=insufficient_funds`."""
        beside = f" with network_code={self.with_code}" if self.with_code else ""
        return f"{self.table} {self.kind}={self.code}{beside}"


@dataclass(frozen=True, slots=True)
class DeclineTables:
    """All rows of all tables, by lookup key."""

    providers: Mapping[tuple[str, str, str], DeclineRow]
    """By provider, kind and code in lower case."""
    networks: Mapping[tuple[str, str], DeclineRow]
    """By network and response code in upper case."""
    advice: Mapping[tuple[str, str, str], DeclineRow]
    """By network, advice code in upper case, and the response code beside it; an empty text for any."""


def parse_decline_tables(
    providers: Mapping[str, tuple[str, str]], networks: tuple[str, str], advice: tuple[str, str]
) -> DeclineTables:
    """Tables from (file name, CSV text) pairs, the providers' by provider name.

    Raises InvalidInput naming file and line.
    """
    own = {key: row for name, file in providers.items() for key, row in _provider_rows(name, *file).items()}
    return DeclineTables(
        MappingProxyType(own), MappingProxyType(_network_rows(*networks)), MappingProxyType(_advice_rows(*advice))
    )


def _provider_rows(provider: str, file: str, text: str) -> dict[tuple[str, str, str], DeclineRow]:
    rows: dict[tuple[str, str, str], DeclineRow] = {}
    for where, line in _read_lines(file, text, PROVIDER_COLUMNS):
        if line["kind"] not in set(CodeKind):
            raise InvalidInput(f"{where}: unknown kind {line['kind']!r}")
        row = _parse_row(where, provider, line["kind"], line, line["code"].lower())
        _add_row(rows, (provider, row.kind, row.code), row, where)
    return rows


def _network_rows(file: str, text: str) -> dict[tuple[str, str], DeclineRow]:
    rows: dict[tuple[str, str], DeclineRow] = {}
    for where, line in _read_lines(file, text, NETWORK_COLUMNS):
        row = _parse_row(where, line["network"], "network_code", line, line["code"].upper())
        _add_row(rows, (row.table, row.code), row, where)
    return rows


def _advice_rows(file: str, text: str) -> dict[tuple[str, str, str], DeclineRow]:
    rows: dict[tuple[str, str, str], DeclineRow] = {}
    for where, line in _read_lines(file, text, ADVICE_COLUMNS):
        row = _parse_row(where, line["network"], "advice_code", line, line["code"].upper())
        _add_row(rows, (row.table, row.code, row.with_code), row, where)
    return rows


def _read_lines(file: str, text: str, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with its place (`file:line`), all cells trimmed. Raises InvalidInput for other columns or cells."""
    reader = csv.DictReader(StringIO(text), strict=True)
    if tuple(reader.fieldnames or ()) != columns:
        raise InvalidInput(f"{file}:1: the columns must be {','.join(columns)}")
    for cells in reader:
        where = f"{file}:{reader.line_num}"
        if None in cells or None in cells.values():
            raise InvalidInput(f"{where}: {len(columns)} cells are needed")
        yield where, {name: cell.strip() for name, cell in cells.items()}


def _parse_row(where: str, table: str, kind: str, line: Mapping[str, str], code: str) -> DeclineRow:
    for needed in ("code", "meaning", "source"):
        if not line[needed]:
            raise InvalidInput(f"{where}: {needed} is empty")
    if line["cause"] not in set(Cause):
        raise InvalidInput(f"{where}: unknown cause {line['cause']!r}")
    wait = _parse_wait(where, line.get("wait_seconds", ""))
    beside = line.get("with_code", "").upper()
    return DeclineRow(table, kind, code, Cause(line["cause"]), line["meaning"], line["source"], beside, wait)


def _parse_wait(where: str, text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"{where}: wait_seconds must be a whole number of seconds or empty")
    return int(text) if text else None


def _add_row(rows: dict[Key, DeclineRow], key: Key, row: DeclineRow, where: str) -> None:
    if key in rows:
        raise InvalidInput(f"{where}: {row.name} is there twice")
    rows[key] = row
