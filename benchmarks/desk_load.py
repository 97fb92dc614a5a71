"""A million recoveries with all that is written about them, loaded by COPY: `python -m benchmarks.desk_load`.

What the live machine writes about some hundred recoveries, many times over a year, of three providers and in four
currencies; those that opened lately are still under way. Chains are left out, and ids inside of data repeat, so
`pri audit verify` would refuse it; what lists, sums and plans depend on is as in life.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.desk_rows import TABLES, Pattern, Template, templates
from benchmarks.scratch_log import stories

PATTERNS: Final = 200
DAYS: Final = 365
RECOVERIES: Final = 1_000_000
BLOCK: Final = 2_000
"""Recoveries that are put together before they are sent."""
PROVIDERS: Final = ("stripe",) * 7 + ("adyen",) * 2 + ("braintree",)
CURRENCIES: Final = ("USD",) * 12 + ("EUR",) * 5 + ("GBP",) * 2 + ("JPY",)
ARMS: Final = ("\\N",) * 7 + ("holdout", "earlier", "later")
Progress = Callable[[int], None]


class Loaded(NamedTuple):
    """How many rows there are now."""

    recoveries: int
    events: int


def load(
    address: str,
    recoveries: int,
    now: datetime,
    patterns: int = PATTERNS,
    progress: Progress = lambda _: None,
) -> Loaded:
    """Fills an empty, migrated database as its owner; `progress` is told how many recoveries are there."""
    told = [Pattern(run, records) for run, records in stories(patterns)]
    events = 0
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT ensure_event_log_partition((%s::date - make_interval(months => m))::date)"
            " FROM generate_series(0, 14) AS m",
            [now.date()],
        )  # fmt: skip
        known: dict[tuple[int, int], Template] = {}
        for begin in range(0, recoveries, BLOCK):
            block = [
                _one(number, recoveries, told, known, now) for number in range(begin, min(begin + BLOCK, recoveries))
            ]
            events += sum(template.events for template, _ in block)
            for table in TABLES:
                _copy(connection, table, block)
            progress(begin + len(block))
        for table in TABLES:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    return Loaded(recoveries, events)


def _one(
    number: int, of: int, told: Sequence[Pattern], known: dict[tuple[int, int], Template], now: datetime
) -> tuple[Template, dict[str, Any]]:
    """The rows of one recovery and what makes them its own. The newest come last, as in life."""
    which, ago = number * 7919 % len(told), (of - 1 - number) * DAYS // of
    key = (which, min(ago, 60))
    if key not in known:
        known[key] = templates(told[which], now, key[1])
    return known[key], _own(number, which, now.date() - timedelta(days=ago), known[key])


def _own(number: int, which: int, opened: date, template: Template) -> dict[str, Any]:
    provider, mixed = PROVIDERS[number * 31 % 10], f"{number * 2654435761 % 2**32:08x}"
    own: dict[str, Any] = {
        "provider": provider,
        "invoice": f"in_{mixed}{number:07}",
        "customer": f"cus_{mixed[:5]}{number // 3:06}",
        "card": f"card{number // 4 * 40503 % 2**31:010}",
        "currency": CURRENCIES[number * 13 % 20],
        "experiment": "ladder" if number // 11 % 10 > 6 else "\\N",
        "arm": ARMS[number // 11 % 10],
        "amount": 500 + (which * 997 + number * 613) % 40_000,
        "id": f"{number:026x}",
        "second": f"{number * 37 % 60:02}.{number * 7919 % 1_000_000:06}",
    }
    return own | {f"d{days}": (opened + timedelta(days=days)).isoformat() for days in template.days}


def _copy(connection: psycopg.Connection[Any], table: str, block: Sequence[tuple[Template, dict[str, Any]]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
    order = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with connection.cursor().copy(order) as copy:
        copy.write("".join(_lines(table, block)))


def _lines(table: str, block: Sequence[tuple[Template, dict[str, Any]]]) -> Iterator[str]:
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
        done = load(
            asked.address, asked.recoveries, datetime.now(UTC), progress=lambda n: bar.update(task, completed=n)
        )
    sys.stdout.write(f"{done.recoveries} recoveries, {done.events} events\n")


if __name__ == "__main__":
    main()
