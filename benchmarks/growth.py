"""Whether appends and queries stay as fast as on a small database: the same calls on databases of different sizes.

A small database still gives full answers: 2,000 recoveries fill a page of 50 in most cases, so that what is compared is
the search, not the length of the answer. Lists are compared with a new installation's, of its first month; dashboards
with one of a year, since their answer grows with the days that it shows.

All databases are on one server, and each repeat asks them in turn, so that whatever slows the machine slows all. Every
call is about other random recoveries: nothing is in the cache because the last call read it. Times are those of whole
transactions at the client, so they hold a round trip; commits don't wait for the disk, which would hide growth.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.admin_queries import refresh_all_figures, relax_durability
from benchmarks.admin_query_cases import DASHBOARD_CASES, LIST_CASES, QueryCase, SampleRecoveries, read_samples
from benchmarks.database_load import load_recoveries
from benchmarks.growth_append import OpenRecoveries
from benchmarks.measures import Measure, Size
from benchmarks.temporary_cluster import temporary_cluster
from db import schema
from db.recovery_log import StoredRecoveryLog
from db.session import Database
from devstack.postgres import OWNER, WRITER, Cluster

SMALL: Final = 2_000
"""Recoveries of each of the two databases that the others are compared with."""
NEW, OLD = 30, 365
"""Days over which the recoveries of those two opened."""
GROWN: Final[Mapping[Size, tuple[int, ...]]] = {Size.SMALL: (10_000,), Size.FULL: (100_000, 1_000_000)}
"""Recoveries of the larger databases, opened over a year; each has about ten events."""
APPEND_MARK, QUERY_MARK = 1.1, 1.3
ALLOWANCE: Final = 0.3
"""Milliseconds more that are no growth, where a query is so short that they exceed its mark: an index of a million rows
is a level or two deeper, and its pages aren't all in the processor's cache. Appends have none.
"""
SAMPLES: Final = 200
REPEATS: Final = 5
CALLS: Final = 15
"""Calls of one repeat, of which the median counts."""
WARM_UP: Final = 8
"""Calls before the first repeat: statements are prepared and planned, buffers filled."""


class GrownDatabase(NamedTuple):
    """One database with what the calls are about."""

    name: str
    api: Database
    worker: Database
    """With generic plans."""
    samples: Sequence[SampleRecoveries]
    waiting: OpenRecoveries


Call = Callable[[GrownDatabase], Awaitable[object]]


def measure(size: Size = Size.SMALL) -> Iterator[Measure]:
    """Ratios of the larger databases' times to those of a small one."""
    with temporary_cluster() as server:
        relax_durability(server)
        now = datetime.now(UTC)
        names: list[str] = []
        for recoveries, days in ((SMALL, NEW), (SMALL, OLD), *((many, OLD) for many in GROWN[size])):
            name, loaded = _create_database(server, recoveries, days, now)
            names.append(name)
            yield loaded
        yield from asyncio.run(_measure_growth(server, names, now))


def _create_database(server: Cluster, recoveries: int, days: int, now: datetime) -> tuple[str, Measure]:
    """The name of a new database with so many recoveries, and how long it took to load it."""
    name, began = f"with_{recoveries}_of_{days}_days", time.perf_counter()
    with psycopg.connect(server.role_url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, OWNER))))
    address = server.role_url(OWNER, name)
    schema.upgrade_schema(address, WRITER)
    done = load_recoveries(address, recoveries, now, days=days)
    took = time.perf_counter() - began
    return name, Measure(
        f"growth, {done.recoveries:,} recoveries of {days} days with {done.events:,} events loaded", [took], "s"
    )


async def _measure_growth(server: Cluster, names: Sequence[str], now: datetime) -> list[Measure]:
    async with _opened_databases(server, names, now) as (new, old, *grown):
        found = []
        for label, generic in (("", True), (", every statement planned anew", False)):
            call = _append_call(generic)
            mark = APPEND_MARK if generic else None
            found += await _compare((new, *grown), f"append{label}", call, mark)
        # As the relay does every few seconds: the appends were noted for the sums.
        for one in (new, old, *grown):
            await refresh_all_figures(one.api)
        for small, cases in ((new, LIST_CASES), (old, DASHBOARD_CASES)):
            for name, case in cases.items():
                found += await _compare((small, *grown), name, _query_call(case), QUERY_MARK, ALLOWANCE)
    return found


@asynccontextmanager
async def _opened_databases(server: Cluster, names: Sequence[str], now: datetime) -> AsyncIterator[list[GrownDatabase]]:
    opened = []
    for name in names:
        address = server.role_url(WRITER, name)
        patience = timedelta(seconds=60)
        api, worker = Database(address, patience, 1), Database(address, patience, 1, generic_plans=True)
        await refresh_all_figures(api)
        async with api.begin() as session:
            samples = await read_samples(session, now, SAMPLES)
        opened.append(GrownDatabase(name, api, worker, samples, await OpenRecoveries.load(api, SAMPLES)))
    try:
        yield opened
    finally:
        for one in opened:
            await one.api.close()
            await one.worker.close()


def _append_call(generic: bool) -> Call:
    def append(database: GrownDatabase) -> Awaitable[object]:
        log = StoredRecoveryLog(database.worker if generic else database.api)
        return database.waiting.charge_next(log, datetime.now(UTC))

    return append


def _query_call(case: QueryCase) -> Call:
    choose = random.Random(1)

    async def ask(database: GrownDatabase) -> None:
        about = choose.choice(database.samples)
        async with database.api.begin() as session:
            await case(session, about)

    return ask


async def _compare(
    databases: Sequence[GrownDatabase], name: str, call: Call, mark: float | None, allowance: float = 0.0
) -> list[Measure]:
    """For each larger database, the ratios of its times to those of the first.

    `mark` is the largest ratio allowed, or more where `allowance` milliseconds are a larger part of the first's time.
    """
    await _median_times(databases, call, WARM_UP)
    times = [await _median_times(databases, call, CALLS) for _ in range(REPEATS)]
    found = []
    for place, database in enumerate(databases[1:], 1):
        raw = {"small, ms": [repeat[0] for repeat in times], "grown, ms": [repeat[place] for repeat in times]}
        ratios = [grown / small for small, grown in zip(*raw.values(), strict=True)]
        most = mark and max(mark, 1 + allowance / statistics.median(raw["small, ms"]))
        found.append(
            Measure(f"{name}, {database.name}", ratios, at_most=most, raw=raw | {"allowance, ms": [allowance]})
        )
    return found


async def _median_times(databases: Sequence[GrownDatabase], call: Call, calls: int) -> list[float]:
    """The median time of so many calls in milliseconds, for each database; they take turns after each call."""
    times: list[list[float]] = [[] for _ in databases]
    for _ in range(calls):
        for database, spent in zip(databases, times, strict=True):
            began = time.perf_counter()
            await call(database)
            spent.append((time.perf_counter() - began) * 1000)
    return [*map(statistics.median, times)]
