"""Dry runs as workflows: computed in a process of their own, cancelable, restarted where that process is lost."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.dry_runs import PROGRAM, DryRuns
from core.contracts import SimulationInput
from core.simulations import SimulationOrder
from db.repositories import simulations
from db.session import Database
from settings import SHIPPED_POLICY
from simulator.report.result import Result
from tests.db.conftest import Addresses
from tests.workflows.conftest import time_skipping
from workflows.client import WORKFLOWS
from workflows.options import RECOVERY_QUEUE, SIMULATION_QUEUE

SHIPPED = SHIPPED_POLICY.read_text()
ORDER = SimulationOrder(recoveries=500, seed=5, policy=SHIPPED.replace('"72h"', '"48h"'), baseline=SHIPPED)
WAIT_SECONDS = 60.0

REPORTING_PROGRAM = 'import sys, time; sys.stdin.readline(); print(\'{"done": 3, "total": 9}\', flush=True); '
HANGING_PROGRAM = REPORTING_PROGRAM + "open(sys.argv[1], 'w').write(str(__import__('os').getpid())); time.sleep(120)"
CRASHING_PROGRAM = (
    REPORTING_PROGRAM
    + "import os, pathlib; there = pathlib.Path(sys.argv[1]); first = not there.exists(); there.touch(); "
    'first and os._exit(9); print(\'{"outcome": {"result": "{}", "report": "again"}}\', flush=True)'
)


class SimulationWorker:
    """A worker with a database, and the simulations started on it."""

    def __init__(self, environment: WorkflowEnvironment, database: Database) -> None:
        self._environment, self.database = environment, database

    async def start_simulation(self, order: SimulationOrder = ORDER) -> UUID:
        """The id of a started simulation."""
        id = uuid4()
        async with self.database.begin() as session:
            await simulations.insert_simulation(session, id, order, "ann", datetime.now(UTC))
        await self._environment.client.start_workflow(
            "Simulation", SimulationInput(simulation_id=str(id)), id=f"simulation-{id}", task_queue=RECOVERY_QUEUE
        )
        return id

    def run_handle(self, id: UUID) -> WorkflowHandle[Any, Any]:
        """The handle of its workflow run."""
        return self._environment.client.get_workflow_handle(f"simulation-{id}")

    async def wait_for_result(self, id: UUID) -> Any:
        """The result of its workflow run."""
        while True:
            try:
                return await self.run_handle(id).result()
            except RuntimeError as unanswered:
                # The test server ends a long poll without an event after a while; a real server says to ask again.
                if "No completion event" not in str(unanswered):
                    raise

    async def fetch_row(self, id: UUID) -> Any:
        """Its row with the report."""
        async with self.database.begin() as session:
            row, report = await simulations.load_simulation(session, id), await simulations.load_report(session, id)
        assert row is not None
        assert report is not None
        return {**row, "report": report[1]}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A server of its own: a canceled activity that never started keeps its clock from skipping."""
    async with time_skipping() as environment:
        yield environment


@pytest.fixture
async def simulation_worker(server: WorkflowEnvironment, database: Database) -> SimulationWorker:
    return SimulationWorker(server, database)


StartWorkers = Callable[..., Any]


@pytest.fixture
def start_workers(server: WorkflowEnvironment, database: Database, addresses: Addresses) -> StartWorkers:
    """Workers for as long as the block runs; `program` replaces the real computation."""

    @asynccontextmanager
    async def run_workers(*program: str) -> AsyncIterator[None]:
        simulating = DryRuns(database, addresses.writer, program or PROGRAM)
        client = server.client
        async with (
            Worker(client, task_queue=RECOVERY_QUEUE, workflows=WORKFLOWS, activities=[simulating.end_simulation]),
            Worker(
                client,
                task_queue=SIMULATION_QUEUE,
                activities=[simulating.run_simulation],
                max_concurrent_activities=1,
                max_heartbeat_throttle_interval=timedelta(seconds=1),
            ),
        ):
            yield

    return run_workers


async def wait_until(true: Callable[[], Awaitable[bool]]) -> None:
    """Waits until the condition holds. Fails after a time limit."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await true():  # noqa: ASYNC110 (rows can't wake us)
            await asyncio.sleep(0.1)


def is_process_gone(file: Path) -> Callable[[], Awaitable[bool]]:
    """A condition: the process that wrote its id to this file has ended."""

    def is_gone() -> bool:
        return not Path(f"/proc/{file.read_text()}").exists()

    return lambda: asyncio.to_thread(is_gone)


async def test_simulation_gives_a_reproducible_result_and_report(
    simulation_worker: SimulationWorker, start_workers: StartWorkers
) -> None:
    async with start_workers():
        ids = [await simulation_worker.start_simulation(), await simulation_worker.start_simulation()]
        for id in ids:
            await simulation_worker.wait_for_result(id)
    first, second = [await simulation_worker.fetch_row(id) for id in ids]
    assert first["state"] == "done"
    result = Result.model_validate_json(first["result"])
    assert (result.recoveries, result.seed, len(result.arms)) == (500, 5, 2)
    assert first["report"].startswith("<!DOCTYPE html>")
    assert first["done"] == first["total"] > 0
    assert (second["result"], second["report"]) == (first["result"], first["report"])


async def test_invalid_assumptions_fail_the_simulation_with_a_reason(
    simulation_worker: SimulationWorker, start_workers: StartWorkers
) -> None:
    async with start_workers():
        id = await simulation_worker.start_simulation(
            ORDER.model_copy(update={"assumptions": "[self_recovery]\nnonsense = 1\n"})
        )
        with pytest.raises(WorkflowFailureError):
            await simulation_worker.wait_for_result(id)
    row = await simulation_worker.fetch_row(id)
    assert row["state"] == "failed"
    assert row["problem"].startswith("assumptions.toml")
    assert (row["result"], row["report"]) == (None, None)


async def test_simulation_can_be_canceled_while_running(
    simulation_worker: SimulationWorker, start_workers: StartWorkers, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    async with start_workers("-c", HANGING_PROGRAM, str(file)):
        id = await simulation_worker.start_simulation()

        async def is_running() -> bool:
            return (
                await asyncio.to_thread(file.exists)
                and str((await simulation_worker.fetch_row(id))["state"]) == "running"
            )

        await wait_until(is_running)
        await simulation_worker.run_handle(id).cancel()
        with pytest.raises(WorkflowFailureError):
            await simulation_worker.wait_for_result(id)
        await wait_until(is_process_gone(file))
    row = await simulation_worker.fetch_row(id)
    assert (row["state"], row["problem"], row["ended_at"] is not None) == ("canceled", None, True)


async def test_simulation_can_be_canceled_while_queued(
    simulation_worker: SimulationWorker, start_workers: StartWorkers, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    async with start_workers("-c", HANGING_PROGRAM, str(file)):
        first = await simulation_worker.start_simulation()
        await wait_until(lambda: asyncio.to_thread(file.exists))
        second = await simulation_worker.start_simulation()
        await simulation_worker.run_handle(second).cancel()
        with pytest.raises(WorkflowFailureError):
            await simulation_worker.wait_for_result(second)
        assert (await simulation_worker.fetch_row(second))["state"] == "canceled"
        assert (await simulation_worker.fetch_row(first))["state"] == "running"
        await simulation_worker.run_handle(first).cancel()
        with pytest.raises(WorkflowFailureError):
            await simulation_worker.wait_for_result(first)


async def test_lost_simulation_process_is_restarted(
    simulation_worker: SimulationWorker, start_workers: StartWorkers, tmp_path: Path
) -> None:
    async with start_workers("-c", CRASHING_PROGRAM, str(tmp_path / "marker")):
        id = await simulation_worker.start_simulation()
        await simulation_worker.wait_for_result(id)
    row = await simulation_worker.fetch_row(id)
    assert (row["state"], row["report"]) == ("done", "again")


async def test_repeatedly_lost_process_fails_the_simulation(
    simulation_worker: SimulationWorker, start_workers: StartWorkers
) -> None:
    async with start_workers("-c", "import os; os._exit(9)"):
        id = await simulation_worker.start_simulation()
        with pytest.raises(WorkflowFailureError):
            await simulation_worker.wait_for_result(id)
    row = await simulation_worker.fetch_row(id)
    assert (row["state"], row["problem"]) == ("failed", "the process that computed it ended with 9")


async def test_simulation_process_ends_with_its_activity(tmp_path: Path) -> None:
    """Its stdin closes when a worker dies."""
    order = ORDER.model_copy(update={"recoveries": 1_000_000})
    task = f'{{"order": {order.model_dump_json()}, "address": ""}}\n'
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    child = await asyncio.create_subprocess_exec(sys.executable, *PROGRAM, cwd=tmp_path, **pipes)  # type: ignore[arg-type]
    assert child.stdin
    assert child.stdout
    child.stdin.write(task.encode())
    await child.stdin.drain()
    assert b"total" in await child.stdout.readline()
    child.stdin.close()
    async with asyncio.timeout(WAIT_SECONDS):
        assert await child.wait() == 1
