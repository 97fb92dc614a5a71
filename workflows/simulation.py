"""A dry run that somebody asked for over the API."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.dry_runs import DryRuns
from core.contracts import SimulationInput
from workflows import options


@workflow.defn(name="Simulation")
class Simulation:
    """Has it computed, beginning anew where a worker dies. Temporal's cancel request ends it; its row says how."""

    @workflow.run
    async def run(self, order: SimulationInput) -> None:
        """One activity; a second one writes down an end that the first can't."""
        try:
            await workflow.execute_activity_method(DryRuns.run_simulation, order, **options.SIMULATE)
        except FailureError as failure:
            canceled = is_cancelled_exception(failure)
            end = order.model_copy(
                update={"canceled": canceled, "problem": None if canceled else _failure_reason(failure)}
            )
            await workflow.execute_activity_method(DryRuns.end_simulation, end, **options.STORE)
            raise


def _failure_reason(failure: FailureError) -> str:
    """What the activity died of, in words."""
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    return cause.message if isinstance(cause, ApplicationError) else "the worker that computed it was lost too often"
