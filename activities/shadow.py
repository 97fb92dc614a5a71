"""A policy that runs beside the active one: its plans are written down and never charged. It may cost nothing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

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
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow")
        self._late: asyncio.Future[Event | None] | None = None

    async def beside(self, given: PlanInput, findings: Findings, found: Beside) -> tuple[Event, ...]:
        """The row, if there is one to write. Never raises, and takes no longer than its budget."""
        if self._late and not self._late.done():
            return ()  # a strategy that hangs holds up its own thread and nothing else
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
        loop = asyncio.get_running_loop()
        self._late = loop.run_in_executor(self._thread, shadow, own, means, found)
        return await asyncio.shield(self._late)

    async def _looked_up(self, given: PlanInput, findings: Findings, means: Means) -> Findings:
        """The findings with what the shadow's strategy wants to know."""
        if self._lookups is None:
            return findings
        new = given.model_copy(update={"recovery": as_if_new(given.recovery)})
        policy = armed(means.policy, assigned(means.policy, new.recovery, given.facts))
        calendar, experience = await self._lookups.of(new, policy, self._strategies)
        return findings.model_copy(update={"calendar": calendar, "experience": experience})
