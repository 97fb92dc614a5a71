"""A policy that runs beside the active one: its plans are written down and never charged. It may cost nothing."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from catalog import DecisionSources
from core.contracts import PlanInput
from core.events import Event
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.experiment_arms import resolve_arm
from core.planning.shadow import decide_shadow, shadow_input
from lookups.planning import PlanLookups
from lookups.time_limits import await_within

BUDGET_SECONDS: Final = 0.2
"""A plan takes a thousandth of a second; one that takes longer than this is left out."""
T = TypeVar("T")
log = structlog.get_logger(__name__)


class ShadowPlanner:
    """Makes the shadow policy's plan."""

    def __init__(
        self, sources: DecisionSources, lookups: PlanLookups | None = None, budget: float = BUDGET_SECONDS
    ) -> None:
        self._sources, self._lookups, self._budget = sources, lookups, budget
        self._stuck: asyncio.Future[Event | None] | None = None

    async def plan_beside(self, given: PlanInput, decision_input: DecisionInput, in_force: Event) -> tuple[Event, ...]:
        """The row, if there is one to write. Never raises, and takes no longer than its budget."""
        if self._stuck and not self._stuck.done():
            return ()  # a strategy hangs: one thread of it is enough
        try:
            event = await await_within(self._budget, self._make_plan(given, decision_input, in_force))
        except TimeoutError:
            log.warning("the shadow policy took too long", recovery_id=given.recovery.recovery_id)
            return ()
        except Exception as error:  # whatever is wrong with the shadow, the decision beside it stands
            log.warning("the shadow policy failed", error=f"{type(error).__name__}: {error}")
            return ()
        return (event,) if event else ()

    async def _make_plan(self, given: PlanInput, decision_input: DecisionInput, in_force: Event) -> Event | None:
        own = shadow_input(decision_input)
        config = resolve_arm(self._sources.decision_config(), own.recovery, own.facts)
        own = await self._add_lookups(given, own, config)
        planning = run_in_thread(partial(decide_shadow, own, config, in_force))
        try:
            return await asyncio.shield(planning)
        except asyncio.CancelledError:
            self._stuck = planning
            raise

    async def _add_lookups(self, given: PlanInput, own: DecisionInput, config: ArmConfig) -> DecisionInput:
        """The decision input with the lookups that the shadow policy's strategy needs."""
        if self._lookups is None:
            return own
        calendar, experience = await self._lookups.look_up(given.model_copy(update={"recovery": own.recovery}), config)
        return own.model_copy(update={"calendar": calendar, "experience": experience})


def run_in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Its answer, from a thread of its own: one that hangs keeps neither the loop nor the process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more

    def run_work() -> None:
        try:
            conclude = partial(answer.set_result, work())
        except Exception as error:  # told to whoever waits
            conclude = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(conclude)

    threading.Thread(target=run_work, name="shadow", daemon=True).start()
    return answer
