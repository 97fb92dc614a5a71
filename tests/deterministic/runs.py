# ruff: noqa: ARG002  (the parameters are those of the protocol)
"""How the service reaches Temporal in a simulated world: `intake.recovery_runs.RecoveryRuns`, with its faults."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.exceptions import ApplicationError

from core.base import Value
from core.contracts import RecoveryStatus
from core.errors import CommandRefused, EngineUnavailable, NotFound
from core.ids import recovery_id
from core.operators import Command
from core.payments import ProviderEvent
from tests.deterministic.faults import Faults
from tests.deterministic.loop import VirtualLoop
from tests.deterministic.temporal import TemporalServer
from workflows.handles import MESSAGE_NAMES

Answer = TypeVar("Answer")


class SimulatedRuns:
    """Calls of the API and of the relay to the server."""

    def __init__(self, server: TemporalServer, loop: VirtualLoop, draw: random.Random, faults: Faults) -> None:
        self._server, self._loop, self._draw, self._faults = server, loop, draw, faults
        self.away_until = 0.0
        self.on_deferred: Callable[[], None] = lambda: None

    async def start_recovery(self, event: ProviderEvent) -> None:
        """See `RecoveryRuns.start_recovery`."""
        await self._call(lambda: self._server.start_run(event.provider, event.invoice_id or "", event))

    async def ensure_running(self, provider: str, invoice_id: str) -> bool:
        """See `RecoveryRuns.ensure_running`."""
        before = self._server.runs.get(recovery_id(provider, invoice_id))
        return await self._call(lambda: self._server.start_run(provider, invoice_id, None) is not before)

    async def send_event(self, recovery_id: str, event: ProviderEvent) -> None:
        """See `RecoveryRuns.send_event`."""
        await self._signal(recovery_id, "provider_event", event)

    async def signal_command(self, recovery_id: str, command: Command) -> None:
        """See `RecoveryRuns.signal_command`."""
        await self._signal(recovery_id, MESSAGE_NAMES[command.action], command)

    async def submit_command(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """See `RecoveryRuns.submit_command`."""
        run = await self._call(lambda: self._server.open_run(recovery_id))
        answer = self._server.request_update(run, command.request_id or "", command)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                status: RecoveryStatus = await asyncio.shield(answer)
                return status
        except TimeoutError:
            await self.signal_command(recovery_id, command)
            return None
        except NotFound as ended:
            raise CommandRefused("closed", "This recovery ended while it was asked.") from ended
        except ApplicationError as refused:
            raise CommandRefused(str(refused.details[0]), refused.message) from refused

    async def is_polled(self, provider: str) -> bool:
        """See `RecoveryRuns.is_polled`."""
        return True

    async def trigger_relay(self) -> None:
        """See `RecoveryRuns.trigger_relay`."""
        self.on_deferred()

    async def _signal(self, name: str, signal: str, value: Value) -> None:
        await self._call(lambda: self._server.signal_run(self._server.open_run(name), signal, value))

    async def _call(self, act: Callable[[], Answer]) -> Answer:
        """What the server answers. Raises EngineUnavailable, also where the server did it all the same."""
        kind = self._faults.visit("call")
        await self._loop.sleep(self._draw.uniform(0.001, 0.02))
        if kind == "kill":
            await self._faults.die()
        if kind == "away" or self.away_until > self._loop.time():
            raise EngineUnavailable("simulated: Temporal cannot be reached")
        if kind == "late":
            await self._loop.sleep(self._draw.uniform(1.0, 8.0))
        answer = act()
        if kind == "twice":
            act()
        await self._loop.sleep(self._draw.uniform(0.001, 0.02))
        if kind == "lost":
            raise EngineUnavailable("simulated: Temporal does not answer")
        return answer
