"""What became of cases under one policy, as columns: both engines answer with this."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from core.classifier.taxonomy import Cause
from core.events import State
from simulator.cases import NEVER, Booleans, Integers

FINAL_STATES: Final = (State.RECOVERED, State.EXHAUSTED, State.CANCELED, State.BLOCKED)
"""The order of `Journeys.state`."""
MAX_CHARGES: Final = 24
"""Charges of one case that are written down; more only count."""


class SimulatedCharge(NamedTuple):
    """One charge that was made."""

    at: int
    """Seconds since 1970, UTC."""
    trigger: str
    won: bool
    untried: bool = False
    """Nothing like it was ever recorded."""


class RecoveryResult(NamedTuple):
    """What became of one case."""

    state: State
    reason: str
    closed_at: int
    segment: str
    cause: Cause
    """What was really the matter with the failure that opened it."""
    charges: tuple[SimulatedCharge, ...]
    blocked: int = 0
    """Tries that a network's rule moved or forbade."""
    fees: int = 0
    """Caused, minor units of USD."""
    fees_avoided: int = 0
    strategy: str = ""


@dataclass(frozen=True, eq=False)
class RecoveryResults:
    """A row for each case, in the order of the cases."""

    state: Integers
    """Index into FINAL."""
    reason: Integers
    """Index into `reasons`."""
    reasons: tuple[str, ...]
    closed_at: Integers
    segment: Integers
    segments: tuple[str, ...]
    cause: Integers
    """Of the failure that opened it: index into `outcomes.CAUSES`."""
    charges: Integers
    """How many were made."""
    charged_at: Integers
    """MOST_CHARGES columns, NEVER where none was made."""
    blocked: Integers
    fees: Integers
    fees_avoided: Integers
    untried: Integers
    """Charges like none that was ever recorded."""
    won_untried: Booleans
    """Recovered by such a charge."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def is_recovered(self) -> Booleans:
        """Which of them ended with the money."""
        return np.asarray(self.state == FINAL_STATES.index(State.RECOVERED))

    def summary_at(self, row: int) -> tuple[State, str, int, tuple[int, ...]]:
        """Final state, reason, end and the moments of all charges of one case: for comparisons."""
        times = tuple(int(at) for at in self.charged_at[row] if at != NEVER)
        return FINAL_STATES[self.state[row]], self.reasons[self.reason[row]], int(self.closed_at[row]), times
