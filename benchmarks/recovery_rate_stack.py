"""What the recovery benchmark runs on: the service on one stack, the floor's worker beside it, the fake Stripe here."""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from pydantic import SecretStr
from temporalio.client import Client

from benchmarks.recovery_rate_cpu import cpu_seconds
from benchmarks.recovery_rate_load import BenchmarkFailed, FloorLoad, ServiceLoad
from benchmarks.recovery_rate_stripe import API_KEY, FastStripe, StripeConnection
from devstack.processes import Child, Program, spawn
from devstack.programs import Options
from devstack.stack import DevStack
from settings import read_environment
from tests.support.stacks import FAST_SETTINGS, default_settings

TIME_SCALE: Final = 10_800
"""The shipped policy's first retry, after three hours, follows after a second."""
LOAD: Final = "load and fake Stripe (not counted)"
CLOSE_SECONDS: Final = 30.0
CLOSED: Final = "SELECT count(*) FROM recovery WHERE closed_at IS NOT NULL"
UNRECOVERED: Final = "SELECT count(*) FROM recovery WHERE state <> 'recovered'"
ROWS: Final = "SELECT type, count(*) FROM event_log GROUP BY type ORDER BY type"
CLOSED_BETWEEN: Final = (
    "SELECT count(*) FROM event_log WHERE type = 'recovery.closed' AND recorded_at BETWEEN"
    " to_timestamp(%s) AND to_timestamp(%s)"
)
PLANNED: Final = (
    "SELECT recovery_id, extract(epoch FROM recorded_at)::float8 FROM event_log"
    " WHERE type = 'retry.planned' AND recovery_id = ANY(%s)"
)


class Bench:
    """Both sides on one Temporal server, ready to be loaded."""

    def __init__(
        self, stack: DevStack, fake: FastStripe, temporal: Mapping[str, int], bare_worker: int, client: Client,
        ours: ServiceLoad, floor: FloorLoad, database: psycopg.Connection[Any],
    ) -> None:  # fmt: skip
        self.stack, self.fake, self.client, self.ours, self.floor = stack, fake, client, ours, floor
        self._database = database
        self._our_processes = {name: stack.pid(name) for name in ("api", "worker", "postgres")} | dict(temporal)
        self._floor_processes = {"worker": bare_worker} | dict(temporal)

    def read_our_cpu(self) -> dict[str, float]:
        """Seconds used so far by our processes, and by this one, with the load and the fake Stripe, as LOAD."""
        return cpu_seconds(self._our_processes) | {LOAD: time.process_time()}

    def read_floor_cpu(self) -> dict[str, float]:
        """Seconds used so far by the floor's processes; its client is this one."""
        return cpu_seconds(self._floor_processes) | {"client": time.process_time()}

    def query(self, statement: str, *given: object) -> list[Any]:
        """The rows of a query by the database's owner."""
        return self._database.execute(statement, given).fetchall()

    async def wait_until_closed(self, count: int) -> None:
        """Returns when so many recoveries are closed. Raises BenchmarkFailed after 30 seconds."""
        until = time.monotonic() + CLOSE_SECONDS
        while (closed := int(self.query(CLOSED)[0][0])) < count:
            if time.monotonic() > until:
                raise BenchmarkFailed(f"{closed} of {count} recoveries are closed")
            await asyncio.sleep(0.1)

    async def check_everything(self) -> dict[str, int]:
        """The rows of the log by type. Raises BenchmarkFailed unless each recovery was charged once and recovered."""
        started = len(self.ours.sent_at)
        await self.wait_until_closed(started)
        rows = dict(self.query(ROWS))
        found = {
            "questions that the fake didn't know": self.fake.problems[:3],
            "invoices not charged exactly once": [n for n in range(started) if self.fake.paid.get(n) != 1],
            "recoveries not recovered": self.query(UNRECOVERED)[0][0],
            "rows missing": [name for name in ("charge.requested", "charge.succeeded", "recovery.closed")
                             if rows.get(name) != started],
            "bare workflows not completed": await self._count_unfinished(),
        }  # fmt: skip
        if wrong := {what: which for what, which in found.items() if which}:
            raise BenchmarkFailed(str(wrong))
        return rows

    async def _count_unfinished(self) -> int:
        query = "WorkflowType = 'BareRecovery' AND ExecutionStatus = 'Completed'"
        until = time.monotonic() + CLOSE_SECONDS
        # Temporal's visibility is written behind the workflows.
        while missing := len(self.floor.sent_at) - (await self.client.count_workflows(query)).count:
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        return missing


def service_stack(
    data: Path, stripe_port: int, temporal_address: str = "", extra: Mapping[str, str] | None = None
) -> DevStack:
    """The service, calling the fake Stripe here; on its own development server of Temporal unless another is given.

    `extra` is added to the environment of its parts.
    """
    secret = f"whsec_{secrets.token_hex(16)}"
    environment = {
        **FAST_SETTINGS,
        "TIME_SCALE": str(TIME_SCALE),
        "CHARGES_PER_SECOND": "100",
        "STRIPE_API_BASE": f"http://127.0.0.1:{stripe_port}",
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_WEBHOOK_SECRETS": secret,
        **(extra or {}),
    }
    given = {"stripe_api_key": SecretStr(API_KEY), "temporal_address": temporal_address}
    settings = default_settings().model_copy(update=given)
    return DevStack(Options(data, 0, 0, 0, sandbox=False, environment=environment), settings)


async def listen_as_stripe(fake: FastStripe) -> asyncio.Server:
    """The fake on a free port of this machine, within this process."""
    return await asyncio.get_running_loop().create_server(lambda: StripeConnection(fake), "127.0.0.1", 0)


@contextmanager
def bare_worker(folder: Path, temporal: str, port: int) -> Iterator[Child]:
    """The floor's worker as a process; it ends with the block."""
    argv = (sys.executable, "-m", "benchmarks.bare_worker", temporal, str(port))
    root = Path(__file__).parent.parent
    child = spawn(Program("bare-worker", argv, folder / "logs" / "bare-worker.log", read_environment(), cwd=root))
    try:
        yield child
    finally:
        child.stop()


@asynccontextmanager
async def open_bench(
    stack: DevStack, fake: FastStripe, folder: Path, temporal: Mapping[str, int] | None = None
) -> AsyncIterator[Bench]:
    """Both sides on the stack's Temporal, whose processes are `temporal` if the stack hasn't started it."""
    client = await Client.connect(stack.addresses.temporal)
    floor = FloorLoad(client, f"bare-{secrets.token_hex(3)}-")
    listening, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: floor, ("127.0.0.1", 0))
    port = listening.get_extra_info("sockname")[1]
    ours = ServiceLoad(
        fake, int(stack.addresses.api.rpartition(":")[2]), stack.options.environment["STRIPE_WEBHOOK_SECRETS"]
    )
    owner = stack.addresses.owner_url.replace("+psycopg", "")
    with bare_worker(folder, stack.addresses.temporal, port) as worker, psycopg.connect(owner, autocommit=True) as db:
        servers = temporal or {"temporal": stack.pid("temporal")}
        yield Bench(stack, fake, servers, worker.pid, client, ours, floor, db)
    ours.close()
    listening.close()
