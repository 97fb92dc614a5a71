"""Dry runs over the API: what is asked for, and where one stands."""

from enum import StrEnum
from typing import Protocol

from core.base import Value


class SimulationState(StrEnum):
    """Where a dry run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self in {SimulationState.DONE, SimulationState.FAILED, SimulationState.CANCELED}


class SourceKind(StrEnum):
    """Where cases and chances come from."""

    SYNTHETIC = "synthetic"
    HISTORY = "history"


class SimulationOrder(Value):
    """Everything that a result depends on, but for the history itself."""

    source: SourceKind = SourceKind.SYNTHETIC
    recoveries: int | None = None
    """None: as many as are usual for the source."""
    seed: int = 1
    policy: str
    """Text of the candidate's policy file."""
    baseline: str
    assumptions: str | None = None
    """Text of a TOML file with numbers of one's own."""


class SimulationOutcome(Value):
    """What becomes of an order: a result with its report, or the problem that stands in its way."""

    result: str = ""
    """`result.json`."""
    report: str = ""
    """`report.html`."""
    problem: str | None = None


class SimulationRunner(Protocol):
    """Running dry runs. All raise EngineUnavailable where nobody can be reached; nothing is known then."""

    async def start_simulation(self, simulation_id: str) -> None:
        """Have it computed; a second time changes nothing."""

    async def cancel_simulation(self, simulation_id: str) -> None:
        """Ask it to end. Raises NotFound where none of that name runs."""


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
