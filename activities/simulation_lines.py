"""What a worker and the process that computes a dry run say to each other: one JSON object a line."""

from core.base import Value
from core.simulations import SimulationOrder, SimulationOutcome


class DryRunTask(Value):
    """What the process is told."""

    order: SimulationOrder
    address: str
    """Of the database, for the history."""


class DryRunLine(Value):
    """What it tells: how far it is, or, at last, what came of it."""

    done: int = 0
    total: int = 0
    outcome: SimulationOutcome | None = None
