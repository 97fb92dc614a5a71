"""A history of a million events: read by a streaming cursor, fitted, calibrated, and replayed under both policies.

The floor is the time in which PostgreSQL alone reads the same rows, measured in the same run.
"""

import asyncio
import resource
import time
from collections.abc import Iterator
from typing import Final

import psycopg

from benchmarks.event_log_load import fill_event_log, shipped_world
from benchmarks.measures import Measure, Size
from benchmarks.temporary_cluster import temporary_cluster
from db import schema
from db.session import Database
from devstack.postgres import WRITER
from simulator.history.calibration import calibrate_model
from simulator.history.columns import History
from simulator.history.event_log import read_event_log
from simulator.history.recorded_source import build_history_source
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.outcome_model import OutcomeModels
from simulator.runner import choose_engine, simulate_policies

EVENTS: Final = 1_000_000
MARK_SECONDS: Final = 60


def measure(_: Size = Size.SMALL, events: int = EVENTS) -> Iterator[Measure]:
    """Seconds and memory of each step; the mark is that of the whole replay."""
    with temporary_cluster() as server:
        schema.upgrade_schema(server.owner_url, WRITER)
        written = fill_event_log(server.owner_url, events)
        yield from _measure_replay(server.writer_url, written)


def _measure_replay(address: str, written: int) -> Iterator[Measure]:
    floor = _measure_floor(address)
    began, memory = time.perf_counter(), _peak_megabytes()
    history = asyncio.run(_read_history(address))
    read_in = time.perf_counter() - began
    grown = _peak_megabytes() - memory
    source = build_history_source(history, load_shipped_assumptions(), recoveries=None, seed=1)
    fitted_in = time.perf_counter() - began - read_in
    world = shipped_world()
    found = calibrate_model(
        source,
        lambda cases: choose_engine(world, OutcomeModels(source.outcomes, 1)).run(cases).is_recovered,
        world.policy.version,
    )
    result = simulate_policies(source, world, shipped_world("candidate"), seed=1)
    took = time.perf_counter() - began
    raw: dict[str, list[float]] = {
        "floor, the same rows counted in PostgreSQL, s": [floor],
        "events": [written],
        "recoveries": [len(history)],
    }
    yield Measure("replay, reading the log", [read_in], "s", raw=raw)
    yield Measure("replay, memory for it", [grown], "MB")
    yield Measure("replay, fitting", [fitted_in], "s")
    rates = {"replayed": [result.arms[0].recovery_rate], "recorded": [found.real_rate]}
    yield Measure("replay, gap to the recorded rate", [found.gap], raw=rates)
    yield Measure("replay, all", [took], "s", at_most=MARK_SECONDS)


async def _read_history(address: str) -> History:
    database = Database(address)
    try:
        return await read_event_log(database)
    finally:
        await database.close()


def _measure_floor(address: str) -> float:
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        began = time.perf_counter()
        connection.execute("SELECT sum(length(data::text)) FROM event_log")
        return time.perf_counter() - began


def _peak_megabytes() -> float:
    """The peak memory of this process so far, in megabytes (`ru_maxrss` is in kilobytes on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
