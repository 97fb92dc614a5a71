"""The outcome model: whether a charge succeeds, from chances, local clocks and random draws. Both engines use it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.model.cases import Booleans, Cases, Integers
from simulator.model.draws import Words
from simulator.model.local_clocks import DAY, LocalClocks
from simulator.model.success_chances import OutcomeChances, draw_charges

LONGEST_RECOVERY = 120 * DAY
"""The longest recovery, windows and deadlines together; clocks cover this much beyond the last failure."""
_ROUND = 32 * DAY


class ChargeBatch(NamedTuple):
    """Charges to decide, a row each. Times in seconds since 1970, UTC."""

    case: Words
    """The number of the case."""
    payer: Integers
    cause: Integers
    """Index into `success_chances.CAUSES`."""
    retry: Integers
    """Number of the scheduled retry that it is, or would be, from 1."""
    charge: Integers
    """Number of the charge within its case, from 1."""
    waited: Integers
    """Seconds since the latest failure."""
    at: Integers
    fresh: Booleans
    """The first charge of another card."""


@dataclass(frozen=True)
class OutcomeModel:
    """The outcomes of charges under one seed, for the payers of one codebook."""

    outcomes: OutcomeChances
    clocks: LocalClocks
    seed: int

    def draw_successes(self, charges: ChargeBatch) -> Booleans:
        """Which charges succeed. The same charge has the same outcome in every batch, engine and arm."""
        local = self.clocks.local_time(charges.payer, charges.at)
        usual = self.outcomes.success_chances(charges.cause, charges.retry, charges.waited, *local)
        chance = np.where(charges.fresh, self.outcomes.new_method, usual)
        return np.asarray(draw_charges(self.seed, charges.case, charges.charge) < chance)

    def is_extrapolated(self, charges: ChargeBatch) -> Booleans:
        """Which charges are like none that was ever recorded; never the first charge of another card."""
        return np.asarray(self.outcomes.is_extrapolated(charges.cause, charges.retry, charges.waited) & ~charges.fresh)


def clock_range(cases: Cases) -> tuple[int, int]:
    """From before the first failure to after the last possible end, seconds since 1970.

    Rounded to 32 days, so that chunks of the same weeks share their clocks.
    """
    return int(cases.failed_at.min()) // _ROUND * _ROUND, (
        int(cases.failed_at.max()) // _ROUND + 1
    ) * _ROUND + LONGEST_RECOVERY


class OutcomeModels:
    """Builds the outcome model of each chunk; clocks are cached for chunks in the same weeks."""

    def __init__(self, outcomes: OutcomeChances, seed: int) -> None:
        self._outcomes, self._seed = outcomes, seed
        self._known: dict[tuple[int, int, int], LocalClocks] = {}

    def for_cases(self, cases: Cases) -> OutcomeModel:
        """The outcome model of these cases."""
        first, last = clock_range(cases)
        key = (id(cases.book), first, last)
        if key not in self._known:
            self._known[key] = LocalClocks(cases.book.payers, first, last)
        return OutcomeModel(self._outcomes, self._known[key], self._seed)
