"""A large event log with genuine hash chains and its read model, so that `pri audit verify` accepts it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.event_log_load import simulate_runs
from core.events import Record
from core.recovery import machine
from core.recovery.state import Recovery
from db import chain
from db.models import METADATA
from db.repositories import recoveries, transitions

PATTERN_COUNT: Final = 400
"""Number of different recoveries; the log holds copies of them for other invoices and days."""
BLOCK_SIZE: Final = 1_000
"""Recoveries that are sent by one COPY."""
TABLES: Final = {name: [column.name for column in METADATA.tables[name].columns] for name in ("event_log", "recovery")}
Rows = dict[str, list[Mapping[str, Any]]]


def load_chained_log(address: str, events: int) -> tuple[int, int]:
    """Fills a migrated, empty database as its owner with at least `events` rows; returns recoveries and rows.

    The recoveries begin within a year, a day apart from copy to copy.
    """
    patterns = [records for _, records in simulate_runs(PATTERN_COUNT)]
    done = written = 0
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for block in _blocks(patterns, events):
            for day in {row["opened_on"].replace(day=1) for row in block["recovery"]}:
                connection.execute("SELECT ensure_event_log_partition(%s)", [day])
            for table, rows in block.items():
                _copy_rows(connection, table, rows)
            done, written = done + len(block["recovery"]), written + len(block["event_log"])
        for table in TABLES:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    return done, written


def _blocks(patterns: Sequence[Sequence[Record]], events: int) -> Iterator[Rows]:
    block: Rows = {"event_log": [], "recovery": []}
    number = written = 0
    while written < events:
        rows, projected = _copy_of(patterns[number % len(patterns)], number)
        block["event_log"] += rows
        block["recovery"].append(projected)
        number, written = number + 1, written + len(rows)
        if len(block["recovery"]) == BLOCK_SIZE:
            yield block
            block = {"event_log": [], "recovery": []}
    yield block


def _copy_of(pattern: Sequence[Record], number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of one recovery and its row of the read model, as the service would have written them."""
    later = timedelta(days=number // PATTERN_COUNT % 365)
    moved = [one.model_copy(update={"occurred_at": one.occurred_at + later}) for one in pattern]
    blank = Recovery(provider="stripe", invoice_id=f"in_{number:08}")
    after = machine.fold_records(blank, moved)
    opened_on, ended_at = moved[0].occurred_at.date(), moved[-1].occurred_at
    rows = transitions.chain_rows(after, moved, chain.GENESIS, opened_on, ended_at)
    return rows, recoveries.project_recovery(after, opened_on, ended_at)


def _copy_rows(connection: psycopg.Connection[Any], table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    order = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
    )
    with connection.cursor().copy(order) as copy:
        for row in rows:
            cells = [row.get(name) for name in TABLES[table]]
            copy.write_row([Jsonb(cell) if isinstance(cell, dict) else cell for cell in cells])
