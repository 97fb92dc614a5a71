"""The admin console's queries on a large database: lists and details below 100 ms each, dashboards below 300 ms.

The database is filled in a temporary folder: with 100,000 recoveries, in the full size with 1,000,000, for which the
marks are set. The floor is one round trip, measured in the same run.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from rich.progress import Progress
from sqlalchemy import text

from benchmarks.admin_query_cases import DASHBOARD_CASES, LIST_CASES, QueryCase, SampleRecoveries, read_sample
from benchmarks.database_load import RECOVERIES, load_recoveries
from benchmarks.measures import Measure, Size
from benchmarks.temporary_cluster import temporary_cluster
from db import schema
from db.queries.figure_refresh import refresh_figures
from db.session import Database
from devstack.postgres import WRITER, Cluster

DEFAULT_RECOVERIES: Final = 100_000
"""Recoveries of `make bench`; the marks are those of a million."""
LIST_MARK, DASHBOARD_MARK = 100.0, 300.0
"""Milliseconds that a list or detail, and a dashboard, may take."""
ROUNDS: Final = 5
SETTINGS: Final = ("fsync = off", "full_page_writes = off", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'")
"""Settings that make loading faster, without durability; they don't change the time of reads."""


def measure(size: Size = Size.SMALL) -> Iterator[Measure]:
    """Milliseconds of each query, and how many round trips that is."""
    yield from measure_with(RECOVERIES if size is Size.FULL else DEFAULT_RECOVERIES)


def measure_with(recoveries: int) -> Iterator[Measure]:
    """As `measure`, with so many recoveries."""
    with temporary_cluster() as server:
        relax_durability(server)
        schema.upgrade_schema(server.owner_url, WRITER)
        now = datetime.now(UTC)
        yield _fill_database(server.owner_url, recoveries, now)
        yield from asyncio.run(measure_queries(server.writer_url, now))


def relax_durability(server: Cluster) -> None:
    """Applies SETTINGS to a server that holds nothing of value."""
    with psycopg.connect(server.role_url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        for setting in SETTINGS:
            admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        admin.execute("SELECT pg_reload_conf()")


def _fill_database(address: str, recoveries: int, now: datetime) -> Measure:
    began = time.perf_counter()
    with Progress(transient=True) as bar:
        task = bar.add_task("loading recoveries", total=recoveries)
        done = load_recoveries(address, recoveries, now, progress=lambda many: bar.advance(task, many))
    took = time.perf_counter() - began
    return Measure(f"admin console, {done.recoveries:,} recoveries with {done.events:,} events loaded", [took], "s")


async def measure_queries(address: str, now: datetime) -> list[Measure]:
    """Times every case. The day sums are refreshed first."""
    database = Database(address, statement_timeout=timedelta(seconds=60))
    try:
        began = time.perf_counter()
        days = await refresh_all_figures(database)
        found = [Measure(f"admin console, sums of {days} days made", [time.perf_counter() - began], "s")]
        async with database.begin() as session:
            about = await read_sample(session, now)
        floor = await _time_case(database, about, lambda session, _: session.execute(text("SELECT 1")))
        found.append(Measure("floor, a transaction with one round trip", floor, "ms"))
        marks = [(LIST_CASES, LIST_MARK), (DASHBOARD_CASES, DASHBOARD_MARK)]
        for cases, mark in marks:
            for name, case in cases.items():
                found.append(Measure(name, await _time_case(database, about, case), "ms", at_most=mark))
    finally:
        await database.close()
    return found


async def refresh_all_figures(database: Database) -> int:
    """Sums every touched day, as maintenance does in time; returns how many days there were."""
    days = 0
    while True:
        async with database.begin() as session:
            done = await refresh_figures(session)
        if not done:
            return days
        days += done


async def _time_case(database: Database, about: SampleRecoveries, case: QueryCase) -> list[float]:
    """The times of ROUNDS transactions in milliseconds; the first of them has a cold cache."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        async with database.begin() as session:
            await case(session, about)
        rounds.append((time.perf_counter() - began) * 1000)
    return rounds
