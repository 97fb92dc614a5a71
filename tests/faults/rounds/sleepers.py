"""All workers die while many recoveries are asleep, and all timers fire before one worker is back."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from devstack.processes import Program
from sandbox.models import Delivery
from tests.faults.rounds.database import read_rows
from tests.faults.rounds.faults import WORKERS, Fault, Target
from tests.faults.rounds.waiting import wait_until

FIRST_RETRY_SECONDS: Final = 10_800
"""The shipped policy's wait before the first retry."""
PARALLEL: Final = 20
DEADLOCK_CODE: Final = "TMPRL1101"
"""How Temporal's SDK reports a workflow that kept its thread for more than two seconds."""
PLANNED = """
    SELECT max(data->>'at') AS last, count(*) AS plans,
        count(*) FILTER (WHERE (data->>'at')::timestamptz > now()) AS asleep
    FROM event_log WHERE type = 'retry.planned' AND recovery_id LIKE %s"""
CHARGED = """
    SELECT count(DISTINCT recovery_id) AS recoveries FROM event_log
    WHERE type = 'charge.requested' AND recovery_id LIKE %s"""


SPARE_SECONDS: Final = 10.0
"""Between the death of the workers and the first timer."""


def sleep_seconds(sleepers: int) -> float:
    """How long each sleeps: two cores have put all of them to sleep by then, and the first still sleeps."""
    return 60 + 0.4 * sleepers


class SleepersWithoutWorkers(Fault):
    """Every worker is killed while the recoveries sleep. One worker comes back when all of them are due."""

    name, alone, piles_up = "workers-killed-asleep", True, True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._prefix = f"in_asleep{target.draw.getrandbits(32):08x}"
        self._asleep = self._charged = 0
        self._second: Program | None = None

    @classmethod
    def change_settings(cls, sleepers: int) -> dict[str, str]:
        """Time is shortened less than in other rounds."""
        return {"TIME_SCALE": str(round(FIRST_RETRY_SECONDS / sleep_seconds(sleepers)))}

    async def inject(self) -> None:
        """Lets them fail and fall asleep, kills the workers, and starts one when every timer has fired."""
        stack = self.target.service.stack
        await self._let_fail()
        await wait_until(self._are_planned, sleep_seconds(self.target.sleepers) - SPARE_SECONDS, every=0.5)
        for worker in WORKERS:
            stack.kill(worker)
        first, second = [await asyncio.to_thread(stack.stop, worker) for worker in WORKERS]
        plans = await self._read(PLANNED)
        self._asleep, self._charged = int(plans["asleep"]), await self._count_charged()
        await asyncio.sleep(max(0.0, datetime.fromisoformat(plans["last"]).timestamp() - time.time()))
        self._second = second
        stack.start_program(first)

    async def _let_fail(self) -> None:
        gate = asyncio.Semaphore(PARALLEL)

        async def fail(number: int) -> None:
            async with gate:
                name = f"{self._prefix}x{number:05}"
                await self.target.service.sandbox.create_failed_invoice(
                    invoice_id=name, unguarded=True, delivery=Delivery()
                )

        await asyncio.gather(*(fail(number) for number in range(self.target.sleepers)))

    async def _are_planned(self) -> bool:
        return int((await self._read(PLANNED))["plans"]) >= self.target.sleepers

    async def is_over(self) -> bool:
        """Whether the first of those that slept is charged; a new failure waits its turn behind all of them."""
        return await self._count_charged() > self._charged

    async def _are_charged(self) -> bool:
        return await self._count_charged() >= self._charged + self._asleep

    async def _count_charged(self) -> int:
        return int((await self._read(CHARGED))["recoveries"])

    async def _read(self, query: str) -> dict[str, Any]:
        url = self.target.service.stack.addresses.owner_url
        return (await asyncio.to_thread(read_rows, url, query, f"recovery-stripe-{self._prefix}%"))[0]

    async def find_problems(self) -> Sequence[str]:
        """Timers that did not fire, and workflows that kept their thread. The second worker comes back, too."""
        stack, problems, wanted = self.target.service.stack, list[str](), self.target.sleepers
        if not await wait_until(self._are_charged, 2 * sleep_seconds(wanted), every=0.5):
            charged = await self._count_charged() - self._charged
            problems.append(f"{charged} of {self._asleep} timers led to a charge")
        if self._second:
            stack.start_program(self._second)
        if self._asleep < wanted:
            problems.append(f"only {self._asleep} of {wanted} slept: this machine is too slow for so many")
        log = (stack.data_dir / "logs" / f"{WORKERS[0]}.log").read_text(errors="replace")
        if deadlocks := log.count(DEADLOCK_CODE):
            problems.append(f"{deadlocks} times a workflow kept its thread ({DEADLOCK_CODE})")
        return problems
