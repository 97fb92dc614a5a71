"""Dry runs over the API: their orders, states and outcomes."""

from enum import StrEnum
from typing import Protocol

from core.base import Value


class SimulationState(StrEnum):
    """State of a dry run."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether its state no longer changes."""
        return self in {SimulationState.DONE, SimulationState.FAILED, SimulationState.CANCELED}


class SourceKind(StrEnum):
    """Source of a dry run's cases and probabilities."""

    SYNTHETIC = "synthetic"
    HISTORY = "history"


class SimulationOrder(Value):
    """Everything that a result depends on, apart from the recorded history."""

    source: SourceKind = SourceKind.SYNTHETIC
    recoveries: int | None = None
    """Number of recoveries; None: the source's usual number."""
    seed: int = 1
    policy: str
    """Text of the candidate's policy file."""
    baseline: str
    assumptions: str | None = None
    """Text of an assumptions file (TOML) that replaces shipped assumptions."""


class SimulationOutcome(Value):
    """Outcome of an order: a result with its report, or the problem that prevented them."""

    result: str = ""
    """Text of `result.json`."""
    report: str = ""
    """Text of `report.html`."""
    problem: str | None = None


class SimulationRunner(Protocol):
    """Starts and cancels dry runs. Both raise EngineUnavailable if Temporal can't be reached."""

    async def start_simulation(self, simulation_id: str) -> None:
        """Starts its computation; a second call changes nothing."""

    async def cancel_simulation(self, simulation_id: str) -> None:
        """Requests its end. Raises NotFound if no dry run of that id is running."""


class DryRunTask(Value):
    """Input of the process that computes a dry run."""

    order: SimulationOrder
    address: str
    """Address of the database, for the history."""


class DryRunLine(Value):
    """One line of that process's output: its progress, or finally the outcome."""

    done: int = 0
    total: int = 0
    outcome: SimulationOutcome | None = None
