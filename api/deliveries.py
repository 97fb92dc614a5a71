"""Deliveries that go on behind the answers to webhooks: so many at once, and one after another for each invoice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from api.background import Background

MOST_AT_ONCE: Final = 4
"""Deliveries that talk to Temporal at the same time. They share the processor with the answers: under load, a webhook
cost the process 1.4 ms of processor time with 16 of them and 1.2 ms with four."""
MOST_WAITING: Final = 1_000
"""Deliveries that are begun or wait; while Temporal is away more would only pile up, and the relay has them all."""
REPORT_SECONDS: Final = 60


class Deliveries:
    """Runs deliveries in the background."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._latest: dict[str, asyncio.Task[None]] = {}
        """By invoice, its newest delivery: the next one waits for it."""
        self._waiting = 0
        self._left, self._reported_at = 0, -REPORT_SECONDS + time.monotonic()

    def start(self, about: str, deliver: Callable[[], Awaitable[None]]) -> None:
        """Begins the delivery once those of the same `about` are over; beyond MOST_WAITING it is left to the relay."""
        if self._waiting >= MOST_WAITING:
            return self.report_left("too many deliveries wait")
        self._waiting += 1
        task = self._background.start_work(self._run_after(self._latest.get(about), deliver))
        self._latest[about] = task
        task.add_done_callback(lambda done: self._forget(about, done))
        return None

    def report_left(self, why: str) -> None:
        """Logs how many deliveries were left to the relay, once a minute: in an outage that is each of them."""
        self._left += 1
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            structlog.get_logger("api").warning("webhooks are left for the relay", count=self._left, why=why)
            self._left, self._reported_at = 0, time.monotonic()

    async def _run_after(self, earlier: "asyncio.Task[None] | None", deliver: Callable[[], Awaitable[None]]) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        async with self._slots:
            await deliver()

    def _forget(self, about: str, done: "asyncio.Task[None]") -> None:
        self._waiting -= 1
        if self._latest.get(about) is done:
            del self._latest[about]
