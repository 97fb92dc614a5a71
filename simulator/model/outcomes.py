"""How charges end: a table of chances, looked up, multiplied and held against one draw.

No power or logarithm is taken of anything: products of table entries are the same on every machine and for arrays of
every length, so that one case has one fate.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.classification.taxonomy import Cause
from core.strategies.experience import DELAY_EDGES
from simulator.model.cases import Booleans, Integers
from simulator.model.draws import Floats, Stream, Words, draw_uniforms

CAUSES: Final = tuple(Cause)
"""The order of the rows of every table by cause."""
CAUSE_INDEX: Final = {cause: index for index, cause in enumerate(CAUSES)}
DELAY_CLASSES: Final = len(DELAY_EDGES) + 1
"""Of the wait since the failure before; the same classes that the adaptive strategy learns by."""
LAST_ATTEMPT: Final = 8
"""Later attempts count as this one."""
_EDGES: Final = np.array(DELAY_EDGES, dtype=np.int64) * 3_600


@dataclass(frozen=True, eq=False)
class OutcomeChances:
    """The chance that a charge succeeds. All factors are relative; 1.0 changes nothing."""

    base: Floats
    """Of the first retry, by cause in the order of CAUSES."""
    attempts: Floats
    """By scheduled retry, from the first: LAST_ATTEMPT of them."""
    delays: Floats
    """By delay class: DELAY_CLASSES of them."""
    hours: Floats
    """By local hour: 24."""
    weekdays: Floats
    """By local day, Monday first: 7."""
    payday: float
    """On a payday, after INSUFFICIENT_FUNDS."""
    cap: float
    """No chance is higher."""
    new_method: float
    """The chance of the first charge of another card."""
    new_method_code: str
    """What the provider says of such a charge that fails."""
    recorded_attempts: Integers | None = None
    """Recorded attempts behind each chance, by cause, attempt and delay class; None: nothing is recorded."""

    def success_chances(
        self, cause: Integers, attempt: Integers, waited: Integers, hour: Integers, weekday: Integers, payday: Booleans
    ) -> Floats:
        """The chance of each charge. `attempt` counts from 1, `waited` is seconds since the failure before."""
        number = np.minimum(attempt, LAST_ATTEMPT) - 1
        chance = self.base[cause] * self.attempts[number] * self.delays[classify_delays(waited)]
        chance = chance * self.hours[hour] * self.weekdays[weekday]
        funds = payday & (cause == CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS])
        return np.asarray(np.minimum(np.where(funds, chance * self.payday, chance), self.cap))

    def is_extrapolated(self, cause: Integers, attempt: Integers, waited: Integers) -> Booleans:
        """Whether nobody ever tried such a charge: its chance is extrapolated."""
        if self.recorded_attempts is None:
            return np.zeros(len(cause), dtype=np.bool_)
        number = np.minimum(attempt, LAST_ATTEMPT) - 1
        return np.asarray(self.recorded_attempts[cause, number, classify_delays(waited)] == 0)


def classify_delays(waited: Integers) -> Integers:
    """The class of each wait in seconds."""
    return np.searchsorted(_EDGES, waited, side="right").astype(np.int64)


def draw_charges(seed: int, case: Words, charge: Integers) -> Floats:
    """The draw of one charge; `charge` counts all charges of a case from 1. Below its chance, it succeeds."""
    return draw_uniforms(seed, Stream.CHARGE, case, charge.astype(np.uint64))
