"""What a schedule starts every few seconds: a pass of the relay."""

from temporalio import workflow

from activities.maintenance import Maintenance
from core.contracts import RelayInput, RelayReport
from workflows import options


@workflow.defn(name="Relay")
class Relay:
    """Delivers what the inbox still holds and gives recoveries without a run a new one."""

    @workflow.run
    async def run(self, order: RelayInput) -> RelayReport:
        """One pass."""
        return await workflow.execute_activity_method(Maintenance.relay_inbox, order, **options.RELAY)
