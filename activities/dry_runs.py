"""Dry runs for the API: computed in a process of their own, so that a worker's recoveries never wait for them."""

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeat_in_background
from core.contracts import SimulationInput
from core.simulations import DryRunLine, DryRunTask, SimulationOrder, SimulationOutcome
from db.repositories import simulations
from db.session import Database

PROGRESS_EVERY: Final = 0.5
"""Seconds between two writes of the progress."""
PROGRAM: Final = ("-m", "commands.simulation_process")
LONGEST_LINE: Final = 256 * 1024 * 1024
"""A report with a large policy in it is one line."""


class DryRuns:
    """Computes dry runs and keeps their rows."""

    def __init__(self, database: Database, address: str, program: tuple[str, ...] = PROGRAM) -> None:
        self._database, self._address, self._program = database, address, program

    @activity.defn
    async def run_simulation(self, given: SimulationInput) -> None:
        """From the order to the stored result. A repeat begins anew and comes to the same; canceled, it ends."""
        id = UUID(given.simulation_id)
        async with self._database.begin() as session:
            order = await simulations.begin_simulation(session, id, _now())
        if order is None:
            return
        async with heartbeat_in_background(every=1.0):
            outcome = await self._compute_outcome(id, order)
        async with self._database.begin() as session:
            await simulations.finish_simulation(session, id, outcome, _now())
        if outcome.problem is not None:
            raise ApplicationError(outcome.problem, type="InvalidInput", non_retryable=True)

    @activity.defn
    async def end_simulation(self, given: SimulationInput) -> None:
        """Write down that it was canceled or failed; nothing where it had ended before."""
        id = UUID(given.simulation_id)
        async with self._database.begin() as session:
            if given.canceled:
                await simulations.mark_canceled(session, id, _now())
            else:
                await simulations.finish_simulation(
                    session, id, SimulationOutcome(problem=given.problem or "unknown"), _now()
                )

    async def _compute_outcome(self, id: UUID, order: SimulationOrder) -> SimulationOutcome:
        told_at = -PROGRESS_EVERY
        async with self._start_process(DryRunTask(order=order, address=self._address)) as child:
            async for line in _read_lines(child):
                if line.outcome:
                    return line.outcome
                if time.monotonic() - told_at >= PROGRESS_EVERY:
                    told_at = time.monotonic()
                    async with self._database.begin() as session:
                        await simulations.save_progress(session, id, line.done, line.total)
            code = await child.wait()
        raise ApplicationError(f"the process that computed it ended with {code}", type="Crashed")

    @contextlib.asynccontextmanager
    async def _start_process(self, task: DryRunTask) -> AsyncIterator[Process]:
        """The process; it is gone when the block ends, however it does."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, *self._program, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE
        )
        try:
            assert child.stdin
            # The pipe stays open: when this worker dies it closes, and the process ends itself.
            child.stdin.write(task.model_dump_json().encode() + b"\n")
            await child.stdin.drain()
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _read_lines(child: Process) -> AsyncIterator[DryRunLine]:
    assert child.stdout
    async for text in child.stdout:
        yield DryRunLine.model_validate_json(text)


def _now() -> datetime:
    return datetime.now(UTC)
