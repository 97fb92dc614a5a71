"""The results of cases under one policy, as columns: both engines return them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from core.classification.taxonomy import Cause
from core.events import State
from simulator.model.cases import NEVER, Booleans, Integers
from simulator.model.success_chances import CAUSE_INDEX

FINAL_STATES: Final = (State.RECOVERED, State.EXHAUSTED, State.CANCELED, State.BLOCKED)
"""`RecoveryResults.state` is an index into this."""
MAX_CHARGES: Final = 24
"""Charges of one case whose time is kept; later ones are only counted."""


class SimulatedCharge(NamedTuple):
    """One simulated charge with its outcome."""

    at: int
    """Seconds since 1970, UTC."""
    trigger: str
    won: bool
    untried: bool = False
    """No charge like it was ever recorded: its chance is extrapolated."""


class RecoveryResult(NamedTuple):
    """The result of one case."""

    state: State
    reason: str
    closed_at: int
    segment: str
    cause: Cause
    """The true cause of the opening failure."""
    charges: tuple[SimulatedCharge, ...]
    blocked: int = 0
    """Charges that a network's rule moved or forbade."""
    fees: int = 0
    """Network fees caused, minor units of USD."""
    fees_avoided: int = 0
    strategy: str = ""


@dataclass(frozen=True, eq=False)
class RecoveryResults:
    """The results of a chunk: columns with a row per case, in the order of the cases."""

    state: Integers
    """Index into FINAL_STATES."""
    reason: Integers
    """Index into `reasons`."""
    reasons: tuple[str, ...]
    closed_at: Integers
    segment: Integers
    segments: tuple[str, ...]
    cause: Integers
    """True cause of the opening failure: index into `success_chances.CAUSES`."""
    charges: Integers
    """Number of charges made."""
    charged_at: Integers
    """Times of the charges, shape (cases, MAX_CHARGES), seconds since 1970; NEVER where none was made."""
    blocked: Integers
    fees: Integers
    fees_avoided: Integers
    untried: Integers
    """Number of charges like none that was ever recorded."""
    won_untried: Booleans
    """Whether such a charge recovered the invoice."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def is_recovered(self) -> Booleans:
        """Which cases ended as recovered."""
        return np.asarray(self.state == FINAL_STATES.index(State.RECOVERED))

    def summary_at(self, row: int) -> tuple[State, str, int, tuple[int, ...]]:
        """Final state, reason, closing time and charge times of one case, to compare engines."""
        times = tuple(int(at) for at in self.charged_at[row] if at != NEVER)
        return FINAL_STATES[self.state[row]], self.reasons[self.reason[row]], int(self.closed_at[row]), times


def pack_results(journeys: Sequence[RecoveryResult]) -> RecoveryResults:
    """The results of single cases as columns, a row each."""
    reasons = tuple(dict.fromkeys(one.reason for one in journeys))
    segments = tuple(dict.fromkeys(one.segment for one in journeys))
    won = [next((charge for charge in one.charges if charge.won), None) for one in journeys]
    return RecoveryResults(
        state=_integer_column(FINAL_STATES.index(one.state) for one in journeys),
        reason=_integer_column(reasons.index(one.reason) for one in journeys),
        reasons=reasons,
        closed_at=_integer_column(one.closed_at for one in journeys),
        segment=_integer_column(segments.index(one.segment) for one in journeys),
        segments=segments,
        cause=_integer_column(CAUSE_INDEX[one.cause] for one in journeys),
        charges=_integer_column(len(one.charges) for one in journeys),
        charged_at=np.array([_charge_times(one) for one in journeys], dtype=np.int64).reshape(-1, MAX_CHARGES),
        blocked=_integer_column(one.blocked for one in journeys),
        fees=_integer_column(one.fees for one in journeys),
        fees_avoided=_integer_column(one.fees_avoided for one in journeys),
        untried=_integer_column(sum(charge.untried for charge in one.charges) for one in journeys),
        won_untried=np.array([bool(charge and charge.untried) for charge in won], dtype=np.bool_),
    )


def _integer_column(values: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(list(values), dtype=np.int64)


def _charge_times(journey: RecoveryResult) -> list[int]:
    times = [charge.at for charge in journey.charges][:MAX_CHARGES]
    return times + [NEVER] * (MAX_CHARGES - len(times))
