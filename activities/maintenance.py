"""House-keeping that must happen even when nobody sends anything."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from temporalio import activity

from activities.heartbeat import heartbeat_in_background
from core.contracts import RelayInput, RelayReport, RetentionInput, RetentionReport
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from db import retention
from db.partitions import make_partitions_ahead
from db.queries.figure_refresh import refresh_figures
from db.retention import KEPT_FOR_EVER, KeptFor
from db.session import Database
from intake.recovery_runs import RecoveryRuns
from intake.relay import run_relay
from providers.base import Gateway

LONGEST_RELAY_SECONDS: Final = 30.0
"""After this many seconds a full pass is the last: the activity must end before its time-out."""


class Maintenance:
    """The relay with what it needs."""

    def __init__(
        self,
        database: Database,
        recoveries: RecoveryRuns,
        gateways: Mapping[str, Gateway],
        scope: InvoiceScope = SHIPPED_SCOPE,
        kept_for: KeptFor = KEPT_FOR_EVER,
    ) -> None:
        self._kept_for = kept_for
        self._scope = scope
        self._database = database
        self._recoveries = recoveries
        self._gateways = gateways

    @activity.defn
    async def relay_inbox(self, order: RelayInput) -> RelayReport:
        """Deliver undelivered webhooks and revive recoveries that have no run; then bring stored sums up to date.

        A pass that was full is followed by the next at once, for LONGEST_RELAY_SECONDS at most.
        """
        async with heartbeat_in_background():
            began, report = time.monotonic(), await self._relay_once(order.limit)
            while report.delivered >= order.limit and time.monotonic() - began < LONGEST_RELAY_SECONDS:
                report = await self._relay_once(order.limit)
            async with self._database.begin() as session:
                await refresh_figures(session)
        return report

    @activity.defn
    async def apply_retention(self, order: RetentionInput) -> RetentionReport:
        """Blank what is older than it is kept: bodies of webhooks, contacts, original ids of customers.

        Makes the log's coming partitions too: both are what a growing database needs once in a while.
        """
        now = datetime.now(UTC)
        async with heartbeat_in_background():
            async with self._database.begin() as session:
                made = await make_partitions_ahead(session, now.date())
            report = await retention.apply_retention(self._database, self._kept_for, now, order.limit)
        return report.model_copy(update={"partitions": made})

    async def _relay_once(self, limit: int) -> RelayReport:
        now = datetime.now(UTC)
        return await run_relay(self._database, self._recoveries, self._gateways, now, limit, self._scope.rules)
