"""Retry statistics and the customer's calendar, looked up before a retry is planned and only where its strategy asks.

Both are kept in the plan's row, so that the plan can be rederived.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.contracts import PlanInput
from core.planning.decision_input import ArmConfig
from core.planning.planner_inputs import required_lookups
from core.policy.policy import Policy
from core.recovery.state import customer_location
from core.strategies.base import Need
from core.strategies.experience import Experience, RetryCell, RetryStatistics
from db.queries.charge_outcomes import count_retries
from db.session import Database

FRESH_SECONDS: Final = 600
FIRST_COUNT_SECONDS: Final = 0.5
"""A plan waits no longer for the first count; until it is there the ladder decides."""
COUNTED_PERIOD: Final = timedelta(days=180)

RetryCount = Callable[[], Awaitable[list[RetryCell]]]
"""Counts what retries came to."""

log = structlog.get_logger(__name__)


def stored_retry_count(database: Database) -> RetryCount:
    """The count of the last half year as PostgreSQL holds it."""

    async def count_cells() -> list[RetryCell]:
        async with database.begin() as session:
            return await count_retries(session, (datetime.now(UTC) - COUNTED_PERIOD).date())

    return count_cells


class StatisticsCache:
    """The newest snapshot, counted again in the background when it is older than ten minutes."""

    def __init__(self, count: RetryCount) -> None:
        self._count = count
        self._statistics = RetryStatistics()
        self._counted_at: float | None = None
        self._counting: asyncio.Task[None] | None = None

    async def latest_statistics(self) -> RetryStatistics:
        """What is known now; nothing yet while the first count takes long. Never raises for the database."""
        if self._counting is None and self._is_stale():
            self._counting = asyncio.create_task(self._refresh_statistics())
        if self._counting and self._counted_at is None:
            await asyncio.wait({self._counting}, timeout=FIRST_COUNT_SECONDS)
        return self._statistics

    def _is_stale(self) -> bool:
        return self._counted_at is None or time.monotonic() - self._counted_at > FRESH_SECONDS

    async def _refresh_statistics(self) -> None:
        try:
            self._statistics = RetryStatistics(await self._count())
        except Exception as error:  # what was learnt before stays good, and a plan must not fail for it
            log.warning("retries could not be counted", error=str(error))
        finally:
            self._counted_at, self._counting = time.monotonic(), None


class PlanLookups:
    """Calendar and experience for one plan, each only where its strategy needs it."""

    def __init__(self, statistics: StatisticsCache) -> None:
        self._statistics = statistics

    async def look_up(self, given: PlanInput, config: ArmConfig) -> tuple[Calendar | None, Experience | None]:
        """What the strategy for this failure wants to know."""
        wanted = required_lookups(config.policy, config.strategies, given.segment.name, given.classification.cause)
        calendar = _build_calendar(given, config.policy) if Need.CALENDAR in wanted else None
        experience = await self._load_experience(given) if Need.EXPERIENCE in wanted else None
        return calendar, experience

    async def _load_experience(self, given: PlanInput) -> Experience:
        statistics = await self._statistics.latest_statistics()
        return statistics.experience_for(given.classification.cause, given.recovery.attempts_used + 1)


def _build_calendar(given: PlanInput, policy: Policy) -> Calendar:
    """The days from the failure to the end of the window, as the policy counts them."""
    failed_at = given.recovery.failed_at or given.now
    ends = failed_at + policy.segment_named(given.segment.name).window
    return calendar_for(*customer_location(given.recovery, given.facts), failed_at, ends)
