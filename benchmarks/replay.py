"""A history of a million events: read by a streaming cursor, fitted, checked, and both policies replayed on it.

The floor is the same rows counted by PostgreSQL alone, right beside it.
"""

import asyncio
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.scratch_log import a_world, fill
from db import migrate
from db.session import Database
from devstack.postgres import WRITER, running
from simulator.assumptions import shipped
from simulator.calibration import calibrated
from simulator.fate import Fates
from simulator.history import read
from simulator.past import History
from simulator.recorded_source import source_of
from simulator.runner import engine, simulate

EVENTS: Final = 1_000_000
MARK_SECONDS: Final = 60


def main(events: int = EVENTS) -> bool:
    """Prints seconds and memory; whether the whole replay keeps below its mark."""
    folder = Path(tempfile.mkdtemp(prefix="pri-bench-"))
    try:
        with running(folder) as server:
            migrate.upgrade(server.owner_url, WRITER)
            written = fill(server.owner_url, events)
            return _replayed(server.writer_url, written)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replayed(address: str, written: int) -> bool:
    floor = _floor(address)
    began, memory = time.perf_counter(), _megabytes()
    history = asyncio.run(_read(address))
    read_in = time.perf_counter() - began
    grown = _megabytes() - memory
    source = source_of(history, shipped(), recoveries=None, seed=1)
    fitted_in = time.perf_counter() - began - read_in
    world = a_world()
    found = calibrated(source, lambda cases: engine(world, Fates(source.outcomes, 1)).run(cases).recovered,
                       world.policy.version)  # fmt: skip
    result = simulate(source, world, a_world("candidate"), seed=1)
    took = time.perf_counter() - began
    _say(f"floor, the same rows counted in PostgreSQL: {floor:.1f} s")
    _say(f"replay: {written} events, {len(history)} recoveries, {len(history.tried)} charges")
    _say(f"replay: read in {read_in:.1f} s ({written / read_in:.0f} events/s, {grown:.0f} MB more)")
    _say(f"replay: fitted in {fitted_in:.1f} s")
    _say(f"replay: gap {found.gap:+.3f} ({found.ci_low:+.3f} to {found.ci_high:+.3f}), "
         f"baseline {result.arms[0].recovery_rate:.3f}, really {found.real_rate:.3f}")  # fmt: skip
    kept = took < MARK_SECONDS
    _say(f"replay: {took:.1f} s in all, {'below' if kept else 'ABOVE'} the mark of {MARK_SECONDS} s")
    return kept


async def _read(address: str) -> History:
    database = Database(address)
    try:
        return await read(database)
    finally:
        await database.close()


def _floor(address: str) -> float:
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        began = time.perf_counter()
        connection.execute("SELECT sum(length(data::text)) FROM event_log")
        return time.perf_counter() - began


def _megabytes() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS) else 1)
