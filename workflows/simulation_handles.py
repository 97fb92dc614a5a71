"""Dry runs, reached by Temporal: what `core.simulations.Simulations` promises."""

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from core.contracts import SimulationInput
from workflows.handles import call_temporal
from workflows.names import RECOVERY_QUEUE


class TemporalSimulations:
    """Dry runs as workflows. The client may be lazy: a server that is away is an answer, not a crash."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start_simulation(self, simulation_id: str) -> None:
        """Have it computed; once."""
        try:
            await call_temporal(self._start_run(simulation_id))
        except WorkflowAlreadyStartedError:
            return

    async def cancel_simulation(self, simulation_id: str) -> None:
        """Ask it to end."""
        await call_temporal(self._client.get_workflow_handle(_workflow_id(simulation_id)).cancel())

    async def _start_run(self, simulation_id: str) -> None:
        await self._client.start_workflow(
            "Simulation",
            SimulationInput(simulation_id=simulation_id),
            id=_workflow_id(simulation_id),
            task_queue=RECOVERY_QUEUE,
            static_summary="Dry run of a retry policy",
        )


def _workflow_id(simulation_id: str) -> str:
    return f"simulation-{simulation_id}"
