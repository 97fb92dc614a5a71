"""Whether charges succeed: chances, local clocks and luck put together. Both engines ask here."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.model.cases import Booleans, Cases, Integers
from simulator.model.draws import Words
from simulator.model.local_clocks import DAY, LocalClocks
from simulator.model.outcomes import OutcomeChances, draw_charges

LONGEST_RECOVERY = 120 * DAY
"""No recovery takes longer: windows and deadlines together."""
_ROUND = 32 * DAY


class ChargeBatch(NamedTuple):
    """Charges that are made, a row each. Times in seconds since 1970, UTC."""

    case: Words
    payer: Integers
    cause: Integers
    """Index into `outcomes.CAUSES`."""
    retry: Integers
    """Which scheduled retry it is, or would be, from 1."""
    charge: Integers
    """Which charge of the case, from 1."""
    waited: Integers
    """Seconds since the failure before."""
    at: Integers
    fresh: Booleans
    """The first charge of another card."""


@dataclass(frozen=True)
class OutcomeModel:
    """The luck of one seed among these payers."""

    outcomes: OutcomeChances
    clocks: LocalClocks
    seed: int

    def draw_successes(self, charges: ChargeBatch) -> Booleans:
        """Which of them succeed."""
        local = self.clocks.local_time(charges.payer, charges.at)
        usual = self.outcomes.success_chances(charges.cause, charges.retry, charges.waited, *local)
        chance = np.where(charges.fresh, self.outcomes.new_method, usual)
        return np.asarray(draw_charges(self.seed, charges.case, charges.charge) < chance)

    def is_extrapolated(self, charges: ChargeBatch) -> Booleans:
        """Which of them are like none that was ever recorded."""
        return np.asarray(self.outcomes.is_extrapolated(charges.cause, charges.retry, charges.waited) & ~charges.fresh)


def clock_range(cases: Cases) -> tuple[int, int]:
    """From before the first failure to after the last end, in steps of a month: chunks of the same weeks agree."""
    return int(cases.failed_at.min()) // _ROUND * _ROUND, (
        int(cases.failed_at.max()) // _ROUND + 1
    ) * _ROUND + LONGEST_RECOVERY


class OutcomeModels:
    """Makes a fate for each chunk of cases; clocks are kept where chunks lie in the same weeks."""

    def __init__(self, outcomes: OutcomeChances, seed: int) -> None:
        self._outcomes, self._seed = outcomes, seed
        self._known: dict[tuple[int, int, int], LocalClocks] = {}

    def for_cases(self, cases: Cases) -> OutcomeModel:
        """The fate of these cases."""
        first, last = clock_range(cases)
        key = (id(cases.book), first, last)
        if key not in self._known:
            self._known[key] = LocalClocks(cases.book.payers, first, last)
        return OutcomeModel(self._outcomes, self._known[key], self._seed)
