"""Faults of processes: API, workers, PostgreSQL and Temporal die, hang or are away for a while."""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Final

import psycopg

from devstack.processes import Program, signal_group
from sandbox.models import Delivery, DeliveryResult
from tests.faults.rounds.database import plain_url, read_rows, run_as_superuser
from tests.faults.rounds.errors import tolerate_refusals
from tests.faults.rounds.faults import WORKERS, Fault, LongFault, Target
from tests.faults.rounds.waiting import wait_until

HELD_UP: Final = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'webhook_inbox'::regclass"


class WorkerKilled(Fault):
    """One of the two workers is killed, whatever it does."""

    name = "worker-killed"

    async def inject(self) -> None:
        """SIGKILL to one worker, chosen by the seed."""
        self.target.service.stack.kill(self.target.draw.choice(WORKERS))


class WorkerZombie(LongFault):
    """A worker stands still for long and wakes up beside the one that took over its work."""

    name = "worker-zombie"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._pid = 0

    async def inject(self) -> None:
        """SIGSTOP to one worker, chosen by the seed."""
        self._pid = self.target.service.stack.pid(self.target.draw.choice(WORKERS))
        signal_group(self._pid, signal.SIGSTOP)

    async def heal(self) -> None:
        """SIGCONT: it goes on where it stood."""
        signal_group(self._pid, signal.SIGCONT)


class ApiKilled(Fault):
    """The API is killed in the middle of its requests: before, in and behind their INSERT."""

    name = "api-killed"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._cut_off = 0

    async def inject(self) -> None:
        """Webhooks are held up at the inbox's table; a moment after they are let in, the API gets SIGKILL."""
        stack = self.target.service.stack
        with psycopg.connect(plain_url(stack.addresses.owner_url), connect_timeout=5) as holder:
            holder.execute("LOCK TABLE webhook_inbox IN EXCLUSIVE MODE")
            sending = [asyncio.create_task(self._send(invoice)) for invoice in self.target.newest_invoices(20)]
            await wait_until(self._is_held_up, 5.0, every=0.02)
        await asyncio.sleep(self.target.draw.uniform(0.0, 0.05))
        stack.kill("api")
        await asyncio.gather(*sending)

    async def _send(self, invoice: str) -> None:
        with tolerate_refusals():
            once = Delivery(wait=True, retry=False)
            sent = await self.target.service.sandbox.send_invoice_event(invoice, fresh=True, delivery=once)
            self._cut_off += sum(map(_is_cut_off, sent.deliveries))

    async def _is_held_up(self) -> bool:
        return bool(await asyncio.to_thread(read_rows, self.target.service.stack.addresses.owner_url, HELD_UP))

    async def find_problems(self) -> Sequence[str]:
        """That no request was in flight."""
        return () if self._cut_off else ("no request lost its answer",)


def _is_cut_off(delivery: DeliveryResult) -> bool:
    """Whether the connection was there and broke, so that the request was in the API."""
    return delivery.error is not None and not delivery.error.startswith("Connect")


class PostgresKilled(Fault):
    """PostgreSQL's postmaster is killed; its children end by themselves, and the server recovers from its log."""

    name = "postgres-killed"

    async def inject(self) -> None:
        """SIGKILL to the postmaster alone."""
        os.kill(self.target.service.stack.pid("postgres"), signal.SIGKILL)


class PostgresRefuses(LongFault):
    """PostgreSQL ends all sessions and refuses new ones for long."""

    name = "postgres-refuses"

    async def inject(self) -> None:
        """The database takes no sessions any more, and those that it has end."""
        end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pri'"
        run_as_superuser(self._url, "ALTER DATABASE pri ALLOW_CONNECTIONS false", end_sessions)

    async def heal(self) -> None:
        """Sessions are taken again."""
        run_as_superuser(self._url, "ALTER DATABASE pri ALLOW_CONNECTIONS true")

    @property
    def _url(self) -> str:
        return self.target.service.stack.addresses.owner_url


class TemporalKilled(Fault):
    """Temporal's server is killed and comes back with its file."""

    name = "temporal-killed"

    async def inject(self) -> None:
        """SIGKILL."""
        self.target.service.stack.kill("temporal")


class TemporalStopped(LongFault):
    """Temporal's server is away for twice as long as other long faults last."""

    name = "temporal-stopped"

    @property
    def seconds(self) -> float:
        """A minute, if the options don't say otherwise."""
        return 2 * super().seconds

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._program: Program | None = None

    async def inject(self) -> None:
        """It is killed and not restarted."""
        self.target.service.stack.kill("temporal")
        self._program = self.target.service.stack.stop("temporal")

    async def heal(self) -> None:
        """It is started again."""
        assert self._program, "not injected"
        self.target.service.stack.start_program(self._program)
