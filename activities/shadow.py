"""A policy that runs beside the active one: its plans are written down and never charged. It may cost nothing."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from activities.lookups import Lookups
from activities.suspicion import within
from catalog import PolicyFile
from core.contracts import PlanInput
from core.events import Event
from core.retry.arms import armed, assigned
from core.retry.decide import Findings, Means
from core.retry.pace import Pace
from core.retry.policy import StrategyFactory
from core.retry.shadow import Beside, as_if_new, shadow

BUDGET_SECONDS: Final = 0.2
"""A plan takes a thousandth of a second; one that takes longer than this is left out."""
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Shadow:
    """Makes the shadow policy's plan."""

    def __init__(
        self,
        policy: PolicyFile,
        strategies: dict[str, StrategyFactory],
        pace: Pace,
        lookups: Lookups | None = None,
        budget: float = BUDGET_SECONDS,
    ) -> None:
        self._policy, self._strategies, self._pace = policy, strategies, pace
        self._lookups, self._budget = lookups, budget
        self._stuck: asyncio.Future[Event | None] | None = None

    async def beside(self, given: PlanInput, findings: Findings, found: Beside) -> tuple[Event, ...]:
        """The row, if there is one to write. Never raises, and takes no longer than its budget."""
        if self._stuck and not self._stuck.done():
            return ()  # a strategy hangs: one thread of it is enough
        try:
            event = await within(self._budget, self._planned(given, findings, found))
        except TimeoutError:
            log.warning("the shadow policy took too long", recovery_id=given.recovery.recovery_id)
            return ()
        except Exception as error:  # whatever is wrong with the shadow, the decision beside it stands
            log.warning("the shadow policy failed", error=f"{type(error).__name__}: {error}")
            return ()
        return (event,) if event else ()

    async def _planned(self, given: PlanInput, findings: Findings, found: Beside) -> Event | None:
        means = Means(policy=self._policy.current(), strategies=self._strategies, pace=self._pace)
        own = await self._looked_up(given, findings, means)
        planning = apart(partial(shadow, own, means, found))
        try:
            return await asyncio.shield(planning)
        except asyncio.CancelledError:
            self._stuck = planning
            raise

    async def _looked_up(self, given: PlanInput, findings: Findings, means: Means) -> Findings:
        """The findings with what the shadow's strategy wants to know."""
        if self._lookups is None:
            return findings
        new = given.model_copy(update={"recovery": as_if_new(given.recovery)})
        policy = armed(means.policy, assigned(means.policy, new.recovery, given.facts))
        calendar, experience = await self._lookups.of(new, policy, self._strategies)
        return findings.model_copy(update={"calendar": calendar, "experience": experience})


def apart(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Its answer, from a thread of its own: one that hangs keeps neither the loop nor the process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more

    def run() -> None:
        try:
            settle = partial(answer.set_result, work())
        except Exception as error:  # told to whoever waits
            settle = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name="shadow", daemon=True).start()
    return answer
