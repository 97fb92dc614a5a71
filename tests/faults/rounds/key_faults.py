"""Faults of idempotency keys: forgotten by the provider, or kept with an error. Their workers age keys in seconds."""

import asyncio
from dataclasses import replace
from typing import Final

from tests.faults.rounds.aged_keys import AGED_WORKER, GATEWAY_SECONDS
from tests.faults.rounds.database import read_rows
from tests.faults.rounds.faults import WORKERS, Fault, Target
from tests.support.service import Recovery

COUNT: Final = 10
MANY: Final = 100_000
OUTLIVED: Final = """
    SELECT 1 FROM event_log requested
    WHERE type = 'charge.requested' AND recovery_id = ANY(%s)
      AND clock_timestamp() > recorded_at + make_interval(secs => %s)
      AND NOT EXISTS (
        SELECT 1 FROM event_log answer
        WHERE answer.recovery_id = requested.recovery_id AND answer.attempt = requested.attempt
          AND answer.type IN ('charge.succeeded', 'charge.declined', 'charge.reconciled')
          AND answer.recorded_at < requested.recorded_at + make_interval(secs => %s))
    LIMIT 1"""
"""Finds a charge without an answer for so many seconds."""


class _AgedKeys(Fault):
    """The gateway forgets keys soon, and the workers know it; `scripts` are of the invoices that this is about."""

    alone = True
    scripts: tuple[str, ...] = ()

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._recoveries: list[Recovery] = []

    async def inject(self) -> None:
        """Other workers, another gateway, and charges whose answers get lost."""
        service, mark = self.target.service, self.target.draw.getrandbits(32)
        for name in WORKERS:
            service.stack.kill(name)
            program = service.stack.stop(name)
            service.stack.start_program(replace(program, argv=AGED_WORKER))
        await service.sandbox.set_key_lifetime(GATEWAY_SECONDS)
        for number in range(COUNT):
            script = (self.scripts[number % len(self.scripts)],)
            invoice = f"in_key{mark:08x}x{number}"
            self._recoveries.append(await service.create_failure(invoice_id=invoice, script=script, unguarded=True))
        await asyncio.gather(*(recovery.wait_for_pay_calls() for recovery in self._recoveries))

    async def find_problems(self) -> list[str]:
        """That every charge was answered before its key was forgotten."""
        names, url = [recovery.id for recovery in self._recoveries], self.target.service.stack.addresses.owner_url
        values = (names, GATEWAY_SECONDS, GATEWAY_SECONDS)
        outlived = await asyncio.to_thread(read_rows, url, OUTLIVED, *values)
        return [] if outlived else ["every charge was answered before its key was forgotten"]


class KeysExpired(_AgedKeys):
    """Charges get lost, before and after they are made, and can't be read until their keys are forgotten."""

    name = "gateway-keys-expired"
    scripts = ("drop", "succeed_then_drop")

    @property
    def seconds(self) -> float:
        """Until no key of theirs is honoured."""
        return GATEWAY_SECONDS + 5.0

    async def inject(self) -> None:
        """Once the charges are sent, no invoice can be read."""
        await super().inject()
        await self.target.service.sandbox.add_fault("/v1/invoices/*", "error:500", times=MANY)

    async def heal(self) -> None:
        """Invoices can be read."""
        await self.target.service.sandbox.clear_faults()


class ErrorsKept(_AgedKeys):
    """The provider answers charges with a 500, which it keeps under the key: repeats get nothing else."""

    name = "gateway-500-kept"
    scripts = ("error:500", "succeed_then_error:500")

    @property
    def seconds(self) -> float:
        """Until no key of theirs is honoured."""
        return GATEWAY_SECONDS + 5.0
