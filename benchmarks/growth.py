"""Whether appends and queries stay as fast as on an empty database: the same calls on databases of different sizes.

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

EMPTY: Final = 400
"""Recoveries of the database that the others are compared with, of its first month: a new installation's."""
GROWN: Final[Mapping[Size, tuple[int, ...]]] = {Size.SMALL: (10_000,), Size.FULL: (100_000, 1_000_000)}
"""Recoveries of the larger databases, opened over a year; each has about ten events."""
APPEND_MARK, QUERY_MARK = 1.1, 1.3
SAMPLES: Final = 200
REPEATS: Final = 5
CALLS: Final = 30
"""Calls of one repeat, of which the median counts."""
WARM_UP: Final = 12
"""Calls before the first repeat: statements are prepared and planned, buffers filled."""
CASES: Final = LIST_CASES | DASHBOARD_CASES


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
    """Ratios of the larger databases' times to those of the almost empty one."""
    with temporary_cluster() as server:
        relax_durability(server)
        now = datetime.now(UTC)
        names: list[str] = []
        for recoveries in (EMPTY, *GROWN[size]):
            name, loaded = _create_database(server, recoveries, now)
            names.append(name)
            yield loaded
        yield from asyncio.run(_measure_growth(server, names, now))


def _create_database(server: Cluster, recoveries: int, now: datetime) -> tuple[str, Measure]:
    """The name of a new database with so many recoveries, and how long it took to load it."""
    name, began = f"with_{recoveries}", time.perf_counter()
    with psycopg.connect(server.role_url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, OWNER))))
    address = server.role_url(OWNER, name)
    schema.upgrade_schema(address, WRITER)
    done = load_recoveries(address, recoveries, now, days=30 if recoveries == EMPTY else 365)
    took = time.perf_counter() - began
    return name, Measure(f"growth, {done.recoveries:,} recoveries with {done.events:,} events loaded", [took], "s")


async def _measure_growth(server: Cluster, names: Sequence[str], now: datetime) -> list[Measure]:
    async with _opened_databases(server, names, now) as databases:
        found = []
        for label, generic in (("", True), (", every statement planned anew", False)):
            call = _append_call(generic)
            mark = APPEND_MARK if generic else None
            found += await _compare(databases, f"append{label}", call, mark)
        for name, case in CASES.items():
            found += await _compare(databases, name, _query_call(case), QUERY_MARK)
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


async def _compare(databases: Sequence[GrownDatabase], name: str, call: Call, mark: float | None) -> list[Measure]:
    """For each larger database, the ratios of its times to those of the first."""
    await _median_times(databases, call, WARM_UP)
    times = [await _median_times(databases, call, CALLS) for _ in range(REPEATS)]
    found = []
    for place, database in enumerate(databases[1:], 1):
        raw = {"empty, ms": [repeat[0] for repeat in times], "grown, ms": [repeat[place] for repeat in times]}
        ratios = [grown / empty for empty, grown in zip(*raw.values(), strict=True)]
        found.append(Measure(f"{name}, {database.name}", ratios, at_most=mark, raw=raw))
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
