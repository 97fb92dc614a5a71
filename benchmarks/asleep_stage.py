"""The service with thousands of recoveries asleep: opened by webhooks, each with the moment at which it falls due."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.recovery_rate_cpu import cpu_seconds
from benchmarks.recovery_rate_load import BenchmarkFailed, ServiceLoad
from benchmarks.recovery_rate_stack import LOAD
from benchmarks.recovery_rate_stripe import FastStripe
from devstack.stack import DevStack
from settings import SHIPPED_POLICY

DELAY_SECONDS: Final = 3 * 3_600
"""The shipped policy's first retry follows so long after the failure."""
OPENING_PACE, CHARGING_PACE = 100, 20
"""CHARGES_PER_SECOND while recoveries are opened, and afterwards: the default."""
MOST_UNPLANNED: Final = 60
"""So many webhooks are posted ahead of the plans."""
OPEN_SECONDS: Final = 60.0
"""Without a new plan for so long, opening has failed."""
ASLEEP: Final = "SELECT count(*) FROM recovery WHERE state = 'waiting'"
STATES: Final = "SELECT invoice_id, state FROM recovery"
DEADLOCKS: Final = ("tmprl1101", "deadlock")


def write_policy(folder: Path) -> Path:
    """The shipped policy, with delays that are always the same and room for the benchmark's operator."""
    text = SHIPPED_POLICY.read_text().replace("jitter_percent = 10", "jitter_percent = 0")
    path = folder / "policies.toml"
    path.write_text(f"{text}\n[operators]\nretries_per_hour = 10000\n")
    return path


def settings_of(policy: Path) -> dict[str, str]:
    """What differs from the stack of the other benchmarks: real time."""
    return {"TIME_SCALE": "1", "POLICY_FILE": str(policy), "CHARGES_PER_SECOND": str(OPENING_PACE)}


class Stage:
    """One service; recoveries have numbers, in the order in which they were opened."""

    def __init__(self, stack: DevStack, fake: FastStripe, load: ServiceLoad, database: psycopg.Connection[Any]) -> None:
        self.stack, self.fake, self._load, self._database = stack, fake, load, database

    def query(self, statement: str, *given: object) -> list[Any]:
        """The rows of a query by the database's owner."""
        return self._database.execute(statement, given).fetchall()

    async def open_charged(self) -> int:
        """Opens one that is due in a moment, and returns its number when it is charged: what it asks of Stripe is what
        the fake can answer afterwards."""
        number = await self._load.start(int(time.time()) - DELAY_SECONDS + 2)
        await asyncio.wait_for(self._load.end_of(number), OPEN_SECONDS)
        return number

    async def open_asleep(self, due_at: Sequence[float | None]) -> range:
        """Opens one for each moment, in seconds since 1970; None: in three hours. Their numbers, once all sleep.

        Raises BenchmarkFailed if they don't come to rest.
        """
        before, first = self._count_asleep(), 0
        for index, due in enumerate(due_at):
            number = await self._load.start(int(due) - DELAY_SECONDS if due else None)
            first = first if index else number
            if index % 10 == 9:
                await self._wait_until_asleep(before + index - MOST_UNPLANNED)
        await self._wait_until_asleep(before + len(due_at))
        return range(first, first + len(due_at))

    def _count_asleep(self) -> int:
        return int(self.query(ASLEEP)[0][0])

    async def _wait_until_asleep(self, count: int) -> None:
        changed, known = time.monotonic(), -1
        while (asleep := self._count_asleep()) < count:
            if asleep != known:
                changed, known = time.monotonic(), asleep
            if time.monotonic() > changed + OPEN_SECONDS:
                raise BenchmarkFailed(f"{asleep} of {count} recoveries are asleep")
            await asyncio.sleep(0.05)

    async def restart_workers(self) -> float:
        """Kills the worker and starts it anew at the charging pace; the seconds until it polls every queue."""
        began, program = time.monotonic(), self.stack.supervisor.child("worker").program
        self.stack.kill("worker")
        self.stack.stop("worker")  # it is dead: what this ends is that the supervisor starts it again as it was
        paced = {**(program.env or {}), "CHARGES_PER_SECOND": str(CHARGING_PACE)}
        self.stack.start_program(replace(program, env=paced))
        await asyncio.to_thread(self.stack.wait_ready)
        return time.monotonic() - began

    def read_cpu(self) -> dict[str, float]:
        """Seconds of processor time used so far by each part, and by this process with operators and fake Stripe."""
        parts = {name: self.stack.pid(name) for name in ("worker", "api", "temporal", "postgres")}
        return cpu_seconds(parts) | {LOAD: time.process_time()}

    async def read_memory(self) -> dict[str, float]:
        """MB of memory that worker, API and Temporal hold, when nothing happens any more."""
        await asyncio.sleep(1)
        return {name: resident_mb(self.stack.pid(name)) for name in ("worker", "api", "temporal")}

    def load_states(self) -> Mapping[str, str]:
        """The state of every recovery, by its invoice."""
        return dict(self.query(STATES))

    def find_deadlocks(self) -> list[str]:
        """Lines of the worker's log that speak of one; Temporal's SDK reports a workflow task over 2 s that way."""
        lines = (self.stack.data_dir / "logs" / "worker.log").read_text(errors="replace").splitlines()
        return [line for line in lines if any(word in line.lower() for word in DEADLOCKS)]


def resident_mb(pid: int) -> float:
    """Memory that a process holds (resident set), as Linux counts it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1_024
