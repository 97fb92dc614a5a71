"""House-keeping that must happen even when nobody sends anything."""

from collections.abc import Mapping
from datetime import UTC, datetime

from temporalio import activity

from activities.heartbeat import heartbeat_in_background
from core.contracts import RelayInput, RelayReport
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from db.queries import figures
from db.session import Database
from intake.recovery_runs import RecoveryRuns
from intake.relay import run_relay
from providers.base import Gateway


class Maintenance:
    """The relay with what it needs."""

    def __init__(
        self,
        database: Database,
        recoveries: RecoveryRuns,
        gateways: Mapping[str, Gateway],
        scope: InvoiceScope = SHIPPED_SCOPE,
    ) -> None:
        self._scope = scope
        self._database = database
        self._recoveries = recoveries
        self._gateways = gateways

    @activity.defn
    async def relay_inbox(self, order: RelayInput) -> RelayReport:
        """Deliver undelivered webhooks and revive recoveries that have no run; then sum touched days anew."""
        async with heartbeat_in_background():
            report = await run_relay(
                self._database, self._recoveries, self._gateways, datetime.now(UTC), order.limit, self._scope.rules
            )
            async with self._database.begin() as session:
                await figures.refresh_figures(session)
        return report
