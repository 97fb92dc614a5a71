"""Dry runs, reached by Temporal: what `core.simulations.Simulations` promises."""

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from core.contracts import SimulationInput
from workflows.handles import reached
from workflows.names import QUEUE


class TemporalSimulations:
    """Dry runs as workflows. The client may be lazy: a server that is away is an answer, not a crash."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, simulation_id: str) -> None:
        """Have it computed; once."""
        try:
            await reached(self._start(simulation_id))
        except WorkflowAlreadyStartedError:
            return

    async def cancel(self, simulation_id: str) -> None:
        """Ask it to end."""
        await reached(self._client.get_workflow_handle(_name(simulation_id)).cancel())

    async def _start(self, simulation_id: str) -> None:
        await self._client.start_workflow(
            "Simulation",
            SimulationInput(simulation_id=simulation_id),
            id=_name(simulation_id),
            task_queue=QUEUE,
            static_summary="Dry run of a retry policy",
        )


def _name(simulation_id: str) -> str:
    return f"simulation-{simulation_id}"
