"""Temporal loses everything that it knew."""

from devstack.processes import Program
from tests.faults.rounds.faults import ShortFault, Target


class TemporalForgets(ShortFault):
    """Temporal's server comes back with an empty file: no runs, timers, signals, schedules or search attributes."""

    name = "temporal-history-lost"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._program: Program | None = None

    async def inject(self) -> None:
        """It is killed, and its file removed."""
        stack = self.target.service.stack
        stack.kill("temporal")
        self._program = stack.stop("temporal")
        for file in stack.data_dir.glob("temporal.db*"):
            file.unlink()

    async def heal(self) -> None:
        """It starts as if for the first time."""
        assert self._program, "not injected"
        self.target.service.stack.start_program(self._program)
