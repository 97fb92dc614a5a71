"""A workflow in a file of its own, as the SDK's sandbox wants it."""

from temporalio import workflow


@workflow.defn
class IdleWorkflow:
    """Gives the stand-in worker something to poll for."""

    @workflow.run
    async def run(self) -> None:
        """Ends at once."""
