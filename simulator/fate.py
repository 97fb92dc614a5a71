"""Whether charges succeed: chances, local clocks and luck put together. Both engines ask here."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.cases import Booleans, Cases, Integers
from simulator.draws import Words
from simulator.outcomes import Outcomes, luck
from simulator.places import DAY, Places

AHEAD = 120 * DAY
"""No recovery takes longer: windows and deadlines together."""
_ROUND = 32 * DAY


class Charges(NamedTuple):
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
class Fate:
    """The luck of one seed among these payers."""

    outcomes: Outcomes
    places: Places
    seed: int

    def wins(self, charges: Charges) -> Booleans:
        """Which of them succeed."""
        local = self.places.local(charges.payer, charges.at)
        usual = self.outcomes.chance(charges.cause, charges.retry, charges.waited, *local)
        chance = np.where(charges.fresh, self.outcomes.new_method, usual)
        return np.asarray(luck(self.seed, charges.case, charges.charge) < chance)

    def untried(self, charges: Charges) -> Booleans:
        """Which of them are like none that was ever recorded."""
        return np.asarray(self.outcomes.untried(charges.cause, charges.retry, charges.waited) & ~charges.fresh)


def span(cases: Cases) -> tuple[int, int]:
    """From before the first failure to after the last end, in steps of a month: chunks of the same weeks agree."""
    return int(cases.failed_at.min()) // _ROUND * _ROUND, (int(cases.failed_at.max()) // _ROUND + 1) * _ROUND + AHEAD


class Fates:
    """Makes a fate for each chunk of cases; clocks are kept where chunks lie in the same weeks."""

    def __init__(self, outcomes: Outcomes, seed: int) -> None:
        self._outcomes, self._seed = outcomes, seed
        self._known: dict[tuple[int, int, int], Places] = {}

    def of(self, cases: Cases) -> Fate:
        """The fate of these cases."""
        first, last = span(cases)
        key = (id(cases.book), first, last)
        if key not in self._known:
            self._known[key] = Places(cases.book.payers, first, last)
        return Fate(self._outcomes, self._known[key], self._seed)
