"""Faults at named points of the code: a worker kills itself there, as `crashing_worker` does when a flag asks for it.

Healthy again means more than a new failure's plan here: what the dead worker was at has gone on elsewhere.
"""

import asyncio
import time
from typing import ClassVar, Final

from tests.faults.rounds.crash_flags import CrashFlags, CrashPoint
from tests.faults.rounds.database import read_rows
from tests.faults.rounds.faults import Fault, Target
from tests.faults.rounds.waiting import wait_until

REACHED_SECONDS: Final = 40.0
"""How long a worker may take to come to the point."""


class CrashFault(Fault):
    """A worker dies at a point of the code."""

    point: ClassVar[CrashPoint]
    went_on: ClassVar = """
        SELECT 1 FROM event_log WHERE recovery_id = %s AND extract(epoch FROM recorded_at) > %s"""
    """Finds a row once the victim has gone on after the crash."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._flags = CrashFlags.in_environment(target.service.stack.environment)
        self._crashed_at = 0.0
        self._victim: str | None = None

    async def inject(self) -> None:
        """Sets the flag and waits until a worker has died by it."""
        self._flags.arm(self.point)
        await wait_until(self._has_crashed, REACHED_SECONDS, every=0.02)
        self._crashed_at = time.time()
        self._flags.disarm(self.point)

    async def _has_crashed(self) -> bool:
        self._victim = self._flags.victim(self.point)
        return self._victim is not None

    async def is_over(self) -> bool:
        """Whether the recovery in whose step the worker died has a new row."""
        url = self.target.service.stack.addresses.owner_url
        return bool(await asyncio.to_thread(read_rows, url, self.went_on, self._victim, self._crashed_at))

    async def find_problems(self) -> list[str]:
        """That no worker came to the point."""
        return [] if self._victim else [f"no worker came to the point within {REACHED_SECONDS:g} s"]


class CrashBeforeRequest(CrashFault):
    """`charge.requested` is written and not committed."""

    name, point = "crash-before-request", CrashPoint.BEFORE_REQUEST


class CrashBeforeCall(CrashFault):
    """`charge.requested` is committed and the provider isn't called yet."""

    name, point = "crash-before-call", CrashPoint.BEFORE_CALL


class CrashBeforeResult(CrashFault):
    """The provider has charged, and no row says so."""

    name, point = "crash-before-result", CrashPoint.BEFORE_RESULT


class CrashInMessage(CrashFault):
    """The mail server has taken a message, and nothing says so."""

    name, point = "crash-in-message", CrashPoint.IN_MESSAGE
    went_on = f"{CrashFault.went_on} AND data->>'outcome' = 'maybe_sent'"


class CrashInRelay(CrashFault):
    """Temporal has taken one row of the relay's, and the next is due."""

    name, point = "crash-in-relay", CrashPoint.IN_RELAY
    went_on = """
        SELECT 1 WHERE %s::text IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM webhook_inbox
            WHERE delivered_at IS NULL AND tries = 0 AND extract(epoch FROM received_at) < %s
        )"""

    async def inject(self) -> None:
        """Temporal is away until some webhooks wait for the relay; a worker dies when it has handed on the first."""
        stack = self.target.service.stack
        stack.kill("temporal")
        program = stack.stop("temporal")
        await asyncio.sleep(self.target.short_seconds)
        stack.start_program(program)
        await super().inject()


CRASHES: Final[tuple[type[CrashFault], ...]] = (
    CrashBeforeRequest,
    CrashBeforeCall,
    CrashBeforeResult,
    CrashInMessage,
    CrashInRelay,
)
