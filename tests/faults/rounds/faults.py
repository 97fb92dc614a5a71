"""The faults of a round. Each has a name, `inject`, and `heal`, which ends it; how long it lasts is in between."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import ClassVar, Final

from sandbox.models import Delivery
from tests.faults.rounds.errors import tolerate_refusals
from tests.faults.rounds.toxiproxy import Toxiproxy
from tests.support.service import Recovery, RunningService

SHORT_SECONDS: Final = 8.0
WORKERS: Final = ("worker", "worker-2")
OPERATORS: Final = 50


@dataclass
class Target:
    """What faults are injected into. `invoices` are those that have failed so far, oldest first."""

    service: RunningService
    draw: Random
    long_seconds: float
    sleepers: int
    proxies: Toxiproxy | None = None
    """Between the parts, where a fault of the round is `proxied`."""
    invoices: list[str] = field(default_factory=list)

    @property
    def short_seconds(self) -> float:
        """How long outages last that a minute of stream shouldn't be filled with."""
        return min(self.long_seconds, SHORT_SECONDS)

    def newest_invoices(self, count: int) -> list[str]:
        """The invoices that failed last, which are most likely still open."""
        return self.invoices[-count:]


class Fault:
    """Something that breaks. This one is over at once: the supervisor restarts what was killed."""

    name: ClassVar[str]
    alone: ClassVar[bool] = False
    """Whether it takes a round, and a stack, of its own."""
    piles_up: ClassVar[bool] = False
    """Whether a new failure must wait behind the work that it piles up: then `is_over` alone says what is healthy."""

    proxied: ClassVar[bool] = False
    """Whether the stack's parts must reach each other by toxiproxy."""

    def __init__(self, target: Target) -> None:
        self.target = target

    @classmethod
    def change_settings(cls, sleepers: int) -> dict[str, str]:  # noqa: ARG003
        """The settings that its stack has beside or instead of a round's own."""
        return {}

    @classmethod
    def open_stack(cls, settings: Mapping[str, str]) -> AbstractAsyncContextManager[RunningService] | None:  # noqa: ARG003
        """The stack with these settings, where it takes one of another kind than the others."""
        return None

    @classmethod
    def find_obstacle(cls) -> str | None:
        """Why this machine can't have it; None if it can."""
        return None

    @property
    def seconds(self) -> float:
        """Seconds from `inject` to `heal`."""
        return 0.0

    async def inject(self) -> None:
        """Breaks it."""
        raise NotImplementedError

    async def heal(self) -> None:
        """Ends it, as far as it doesn't end by itself."""

    async def is_over(self) -> bool:
        """Whether what it hit has gone on. Asked until then; raises what an outage raises."""
        return True

    async def find_problems(self) -> Sequence[str]:
        """What shows that it did not do what its name says, or did harm of its own kind."""
        return ()


class ShortFault(Fault):
    """What lasts a few seconds."""

    @property
    def seconds(self) -> float:
        """At most SHORT_SECONDS."""
        return self.target.short_seconds


class LongFault(Fault):
    """What lasts longer than heartbeat time-outs."""

    @property
    def seconds(self) -> float:
        """As long as the options say."""
        return self.target.long_seconds


class ParallelRetries(Fault):
    """50 operators ask for a retry of a recovery in the moment in which its timer ends and its customer pays."""

    name = "parallel-retries"

    async def inject(self) -> None:
        """The same again without the payment, on an invoice that the gateway would charge twice."""
        await asyncio.gather(self._ask_at_once(paid=True), self._ask_at_once(paid=False))

    async def _ask_at_once(self, *, paid: bool) -> None:
        invoice = f"in_asked{self.target.draw.getrandbits(32):08x}"
        script, service = ("hang:1",), self.target.service
        recovery = await service.create_failure(invoice_id=invoice, unguarded=not paid, script=script)
        (planned,) = await recovery.wait_for_event("retry.planned")
        due = datetime.fromisoformat(planned["data"]["at"]).timestamp()
        await asyncio.sleep(max(0.0, due - self.target.draw.uniform(0.0, 0.4) - time.time()))
        payments = [self._pay(invoice)] if paid else []
        await asyncio.gather(*(self._ask(recovery, number) for number in range(OPERATORS)), *payments)

    async def _pay(self, invoice: str) -> None:
        """The provider refuses it where our charge was first."""
        with tolerate_refusals():
            await self.target.service.sandbox.pay_hosted(invoice)

    async def _ask(self, recovery: Recovery, number: int) -> None:
        with tolerate_refusals():
            await recovery.submit_command("retry", f"operator {number} asks")


class Webhooks(ShortFault):
    """Webhooks come five times and in the wrong order, old ones again."""

    name = "webhooks-duplicated-reordered"

    async def inject(self) -> None:
        """The newest invoices' events are sent again, and what their charges cause comes reversed and repeated."""
        sandbox = self.target.service.sandbox
        again = Delivery(copies=5, concurrency=5)
        echo = Delivery(copies=3, concurrency=3, reverse=True, delay=1.0)
        for invoice in self.target.newest_invoices(20):
            with tolerate_refusals():
                await sandbox.set_script(invoice, append=True, echo_delivery=echo)
                await sandbox.send_invoice_event(invoice, delivery=again)
                await sandbox.send_invoice_event(invoice, fresh=True, delivery=again)

    async def heal(self) -> None:
        """The oldest events come once more, late."""
        for invoice in self.target.invoices[:20]:
            with tolerate_refusals():
                await self.target.service.sandbox.send_invoice_event(invoice)
