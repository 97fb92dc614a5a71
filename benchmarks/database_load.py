"""A million recoveries with all their rows, loaded by COPY: `python -m benchmarks.database_load`.

They are copies of the rows that the state machine writes for some hundred recoveries, spread over a year, three
providers and four currencies; those opened lately are still running. Hash chains are left out and ids inside `data`
repeat, so `pri audit verify` would reject the log; what lists, sums and query plans depend on is realistic.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.database_rows import TABLES, RecoveryPattern, RowTemplate, build_template
from benchmarks.event_log_load import simulate_runs
from core.errors import InvalidInput

PATTERN_COUNT: Final = 200
MAX_ROWS: Final = 23
"""Longest recovery that is copied, in event rows; with longer ones the mean would be 13 rows instead of 10."""
DAYS: Final = 365
RECOVERIES: Final = 1_000_000
BLOCK_SIZE: Final = 2_000
"""Recoveries that are sent by one COPY."""
PROVIDERS: Final = ("stripe",) * 7 + ("adyen",) * 2 + ("braintree",)
CURRENCIES: Final = ("USD",) * 12 + ("EUR",) * 5 + ("GBP",) * 2 + ("JPY",)
ARMS: Final = ("\\N",) * 7 + ("holdout", "earlier", "later")
Progress = Callable[[int], None]
FilledTemplate = tuple[RowTemplate, dict[str, Any]]
"""The row template of one recovery, and the values that fill its gaps."""
INDEXES: Final = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY 1
"""


class LoadedCounts(NamedTuple):
    """The numbers of rows that were loaded."""

    recoveries: int
    events: int


def load_recoveries(
    address: str,
    recoveries: int,
    now: datetime,
    patterns: int = PATTERN_COUNT,
    detailed: int | None = None,
    progress: Progress = lambda _: None,
    days: int = DAYS,
) -> LoadedCounts:
    """Fills a migrated database as its owner; `progress` is called with the number of recoveries of each block.

    The recoveries opened evenly over the last `days` days.

    `detailed`: only so many, the newest, get rows in other tables than `recovery`. Raises InvalidInput if the database
    isn't empty.
    """
    told = _build_patterns(patterns)
    events = done = 0
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        if connection.execute("SELECT FROM recovery LIMIT 1").fetchone():
            raise InvalidInput("The database holds recoveries already.")
        connection.execute("SET synchronous_commit = off")
        connection.execute(
            "SELECT ensure_event_log_partition((%s::date - make_interval(months => m))::date)"
            " FROM generate_series(0, 14) AS m",
            [now.date()],
        )
        with _defer_indexes(connection):
            for block in _recovery_blocks(recoveries, told, now, days):
                done += len(block)
                told_of = detailed is None or done > recoveries - detailed
                events += sum(template.events for template, _ in block) if told_of else 0
                for table in TABLES if told_of else ("recovery",):
                    _copy_table(connection, table, block)
                progress(len(block))
        for table in TABLES:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    return LoadedCounts(recoveries, events)


@cache
def _build_patterns(count: int) -> tuple[RecoveryPattern, ...]:
    """The recoveries to copy; made once for several databases."""
    runs = simulate_runs(count)
    return tuple(RecoveryPattern(run, records) for run, records in runs if len(records) <= MAX_ROWS)


@contextmanager
def _defer_indexes(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Drops the indexes that no constraint needs and creates them again at the end, which halves the loading time."""
    found = connection.execute(INDEXES, [list(TABLES)]).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    for _, made in found:
        connection.execute(made.replace(" ON ONLY ", " ON "))


def _recovery_blocks(
    recoveries: int, patterns: Sequence[RecoveryPattern], now: datetime, days: int
) -> Iterator[list[FilledTemplate]]:
    known: dict[tuple[int, int], RowTemplate] = {}
    for begin in range(0, recoveries, BLOCK_SIZE):
        numbers = range(begin, min(begin + BLOCK_SIZE, recoveries))
        ages = [(number, (recoveries - 1 - number) * days // recoveries) for number in numbers]
        yield [_fill_template(number, ago, patterns, known, now) for number, ago in ages]


def _fill_template(
    number: int, ago: int, patterns: Sequence[RecoveryPattern], known: dict[tuple[int, int], RowTemplate], now: datetime
) -> FilledTemplate:
    """The template and own values of recovery `number`, which opened so many days ago."""
    # A multiplication by a prime mixes the patterns, so that neighbours differ. Templates differ by age only up to 60
    # days, when all recoveries have ended: they are built once each.
    which = number * 7919 % len(patterns)
    key = (which, min(ago, 60))
    if key not in known:
        known[key] = build_template(patterns[which], now, key[1])
    return known[key], _own_values(number, which, now.date() - timedelta(days=ago), known[key])


def _own_values(number: int, which: int, opened: date, template: RowTemplate) -> dict[str, Any]:
    provider, mixed = PROVIDERS[number * 31 % 10], f"{number * 2654435761 % 2**32:08x}"
    own: dict[str, Any] = {
        "provider": provider,
        "invoice": f"in_{mixed}{number:07}",
        "customer": f"cus_{mixed[:5]}{number // 3:06}",
        "card": f"card_{number // 4 * 2654435761 % 2**32:08x}",
        "currency": CURRENCIES[number // 10 * 13 % 20],
        "experiment": "ladder" if number // 11 % 10 > 6 else "\\N",
        "arm": ARMS[number // 11 % 10],
        "amount": 500 + (which * 997 + number * 613) % 40_000,
        "id": f"{number:026x}",
        "second": f"{number * 37 % 60:02}.{number * 7919 % 1_000_000:06}",
    }
    return own | {f"d{days}": _iso_date(opened.toordinal() + days) for days in template.days}


@cache
def _iso_date(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _copy_table(connection: psycopg.Connection[Any], table: str, block: Sequence[FilledTemplate]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
    order = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with connection.cursor().copy(order) as copy:
        copy.write("".join(_copy_lines(table, block)))


def _copy_lines(table: str, block: Sequence[FilledTemplate]) -> Iterator[str]:
    for template, own in block:
        yield template.text[table] % own


def main() -> None:
    """Loads a database that `pri migrate` has prepared."""
    from rich.progress import Progress as Bar

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the empty, migrated database, as its owner")
    parser.add_argument("--recoveries", type=int, default=RECOVERIES)
    asked = parser.parse_args()
    with Bar() as bar:
        task = bar.add_task("recoveries", total=asked.recoveries)
        done = load_recoveries(
            asked.address, asked.recoveries, datetime.now(UTC), progress=lambda n: bar.update(task, completed=n)
        )
    sys.stdout.write(f"{done.recoveries} recoveries, {done.events} events\n")


if __name__ == "__main__":
    main()
