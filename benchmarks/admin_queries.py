"""The admin console's queries on a large database: lists and details below 100 ms each, dashboards below 300 ms.

`python -m benchmarks.admin_queries [--recoveries N]` fills a database of its own in a temporary folder, by default with
1,000,000 recoveries; `make bench` takes fewer. The floor is one round trip, measured in the same run.
"""

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from rich.progress import Progress
from sqlalchemy import text

from benchmarks.admin_query_cases import DASHBOARD_CASES, LIST_CASES, QueryCase, SampleRecoveries, read_sample
from benchmarks.database_load import RECOVERIES, load_recoveries
from benchmarks.decisions import print_line
from benchmarks.temporary_cluster import temporary_cluster
from db import schema
from db.queries import figures
from db.session import Database
from devstack.postgres import WRITER, Cluster

DEFAULT_RECOVERIES: Final = 100_000
"""Recoveries of `make bench`; the marks are those of a million."""
LIST_MARK, DASHBOARD_MARK = 100.0, 300.0
"""Milliseconds that a list or detail, and a dashboard, may take."""
ROUNDS: Final = 5
SETTINGS: Final = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'")
"""Settings that make loading faster, without durability; they don't change the time of reads."""


def main(recoveries: int = DEFAULT_RECOVERIES) -> bool:
    """Prints milliseconds of each query, and how many round trips that is; whether all keep below their marks."""
    with temporary_cluster() as server:
        _prepare_database(server)
        now = datetime.now(UTC)
        _fill_database(server.owner_url, recoveries, now)
        return asyncio.run(measure_queries(server.writer_url, now))


def _prepare_database(server: Cluster) -> None:
    with psycopg.connect(server.role_url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        for setting in SETTINGS:
            admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        admin.execute("SELECT pg_reload_conf()")
    schema.upgrade_schema(server.owner_url, WRITER)


def _fill_database(address: str, recoveries: int, now: datetime) -> None:
    began = time.perf_counter()
    with Progress(transient=True) as bar:
        task = bar.add_task("loading recoveries", total=recoveries)
        done = load_recoveries(address, recoveries, now, progress=lambda many: bar.advance(task, many))
    took = time.perf_counter() - began
    print_line(f"admin console: {done.recoveries:,} recoveries, {done.events:,} events loaded in {took:.0f} s")


async def measure_queries(address: str, now: datetime) -> bool:
    """Times every case; whether all keep below their marks. The day sums are refreshed first."""
    database = Database(address, statement_timeout=timedelta(seconds=60))
    try:
        await _refresh_figures(database)
        async with database.begin() as session:
            about = await read_sample(session, now)
        floor = await _time_case(database, about, lambda session, _: session.execute(text("SELECT 1")))
        print_line(f"floor, a transaction with one round trip: {floor:.2f} ms")
        kept = [await _measure_case(database, about, floor, name, case, LIST_MARK) for name, case in LIST_CASES.items()]
        kept += [
            await _measure_case(database, about, floor, name, case, DASHBOARD_MARK)
            for name, case in DASHBOARD_CASES.items()
        ]
    finally:
        await database.close()
    print_line(f"admin console: {'all below their marks' if all(kept) else 'NOT all below their marks'}")
    return all(kept)


async def _refresh_figures(database: Database) -> None:
    began, days = time.perf_counter(), 0
    while True:
        async with database.begin() as session:
            done = await figures.refresh_figures(session)
        if not done:
            break
        days += done
    print_line(f"admin console: sums of {days} days made in {time.perf_counter() - began:.1f} s")


async def _measure_case(
    database: Database, about: SampleRecoveries, floor: float, name: str, case: QueryCase, mark: float
) -> bool:
    took = await _time_case(database, about, case)
    print_line(f"{name}: {took:.1f} ms, {took / floor:.0f} of the floor{'' if took < mark else f', ABOVE {mark:.0f}'}")
    return took < mark


async def _time_case(database: Database, about: SampleRecoveries, case: QueryCase) -> float:
    """The median time of ROUNDS transactions in milliseconds; the first of them has a cold cache."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        async with database.begin() as session:
            await case(session, about)
        rounds.append(time.perf_counter() - began)
    return sorted(rounds)[ROUNDS // 2] * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recoveries", type=int, default=RECOVERIES)
    sys.exit(0 if main(parser.parse_args().recoveries) else 1)
