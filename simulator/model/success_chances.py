"""The success chance of a charge: factors from tables, multiplied, then compared with one random draw.

Only products of table entries, no power or logarithm: they are bit for bit the same on every machine and for arrays of
any length, so that a case has one outcome.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.classification.taxonomy import Cause
from core.strategies.experience import DELAY_EDGES
from simulator.model.cases import Booleans, Integers
from simulator.model.draws import Floats, Stream, Words, draw_uniforms

CAUSES: Final = tuple(Cause)
"""The row order of every table by cause."""
CAUSE_INDEX: Final = {cause: index for index, cause in enumerate(CAUSES)}
DELAY_CLASSES: Final = len(DELAY_EDGES) + 1
"""Number of classes of the wait since the latest failure; the same as those of the adaptive strategy."""
LAST_ATTEMPT: Final = 8
"""Later attempts count as this one."""
_EDGES: Final = np.array(DELAY_EDGES, dtype=np.int64) * 3_600


@dataclass(frozen=True, eq=False)
class OutcomeChances:
    """The tables behind the chance that a charge succeeds. Factors are relative: 1.0 changes nothing."""

    base: Floats
    """Chance of the first retry, by cause in the order of CAUSES."""
    attempts: Floats
    """By scheduled retry, from the first: LAST_ATTEMPT of them."""
    delays: Floats
    """By delay class: DELAY_CLASSES of them."""
    hours: Floats
    """By local hour: 24."""
    weekdays: Floats
    """By local day, Monday first: 7."""
    payday: float
    """Factor on a payday, after INSUFFICIENT_FUNDS only."""
    cap: float
    """The highest chance of any charge but the first of another card."""
    new_method: float
    """The chance of the first charge of another card."""
    new_method_code: str
    """The provider's decline code where that charge fails."""
    recorded_attempts: Integers | None = None
    """Recorded attempts behind each chance, by cause, attempt and delay class; None: nothing is recorded."""

    def success_chances(
        self, cause: Integers, attempt: Integers, waited: Integers, hour: Integers, weekday: Integers, payday: Booleans
    ) -> Floats:
        """The success chance of each charge. `attempt` counts from 1; `waited`: seconds since the latest failure."""
        number = np.minimum(attempt, LAST_ATTEMPT) - 1
        chance = self.base[cause] * self.attempts[number] * self.delays[classify_delays(waited)]
        chance = chance * self.hours[hour] * self.weekdays[weekday]
        funds = payday & (cause == CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS])
        return np.asarray(np.minimum(np.where(funds, chance * self.payday, chance), self.cap))

    def is_extrapolated(self, cause: Integers, attempt: Integers, waited: Integers) -> Booleans:
        """Whether no charge of this cause, attempt and delay class was recorded, so that its chance is extrapolated."""
        if self.recorded_attempts is None:
            return np.zeros(len(cause), dtype=np.bool_)
        number = np.minimum(attempt, LAST_ATTEMPT) - 1
        return np.asarray(self.recorded_attempts[cause, number, classify_delays(waited)] == 0)


def classify_delays(waited: Integers) -> Integers:
    """The delay class of each wait in seconds, 0 to DELAY_CLASSES - 1."""
    return np.searchsorted(_EDGES, waited, side="right").astype(np.int64)


def draw_charges(seed: int, case: Words, charge: Integers) -> Floats:
    """The draw of each charge in [0, 1): it succeeds if its chance is higher. `charge` counts within a case, from 1."""
    return draw_uniforms(seed, Stream.CHARGE, case, charge.astype(np.uint64))
