"""The tries of each card, and what its network says to the next one."""

import numpy as np

from core.payments import Failure
from simulator.alike import Alike
from simulator.cases import NEVER, Cases, Integers
from simulator.journeys import MOST_CHARGES
from simulator.limits import Card, fee_caused, held
from simulator.world import World


class Spending:
    """Columns about charges, a row per case."""

    def __init__(self, world: World, alike: Alike, cases: Cases) -> None:
        self._rules, self._alike, self._cases = world.lowered, alike, cases
        count = len(cases)
        self.made, self.blocked, self.fees, self.fees_avoided, self._since = (
            np.zeros(count, dtype=np.int64) for _ in range(5)
        )
        self.charged_at = np.full((count, MOST_CHARGES), NEVER, dtype=np.int64)
        self._before = np.where(alike.sent[cases.failure], cases.priors + 1, cases.priors)
        """Tries of the card before ours: none of another one."""

    def open(self) -> None:
        """The provider's own try may have been one too many, which costs a fee whatever we do."""
        sent, fewest = self._alike.sent[self._cases.failure], self._alike.fewest[self._cases.failure]
        for row in np.flatnonzero(sent & (self._cases.priors >= fewest)).tolist():
            card = self._card(row, self._cases.earlier[row], Failure())
            self.fees[row] = fee_caused(self._rules, card, int(self._cases.failed_at[row]))

    def charged(self, rows: Integers, at: Integers) -> None:
        """One more try of each."""
        known = self.made[rows] < MOST_CHARGES
        self.charged_at[rows[known], self.made[rows[known]]] = at[known]
        self.made[rows] += 1

    def another_card(self, rows: Integers) -> None:
        """Nothing that was tried before counts for it."""
        self._before[rows] = 0
        self._since[rows] = self.made[rows]

    def judged(self, rows: Integers, failure: Integers, due: Integers, ends: Integers) -> tuple[Integers, Integers]:
        """The rows whose plan a rule forbids, and when they may be charged instead, NEVER within the window."""
        own = np.where(self._alike.sent[failure], self.made[rows] - self._since[rows], 0)
        tries = self._before[rows] + own
        near = (tries >= self._alike.fewest[failure]) | (self._alike.stopped[failure] & (tries > 0))
        moved, moments = [], []
        for place in np.flatnonzero(near).tolist():
            row = int(rows[place])
            kind = self._alike.failures[failure[place]]
            card = self._card(row, self._tries(row, bool(self._alike.sent[failure[place]])), kind.failure)
            if answer := held(self._rules, card, int(due[place]), int(ends[place])):
                self.blocked[row] += 1
                self.fees_avoided[row] += answer.fee
                moved.append(row)
                moments.append(NEVER if answer.at is None else answer.at)
        return np.array(moved, dtype=np.int64), np.array(moments, dtype=np.int64)

    def _tries(self, row: int, sent: bool) -> tuple[int, ...]:
        own = tuple(self.charged_at[row, self._since[row] : self.made[row]].tolist()) if sent else ()
        if self._before[row] == 0:
            return own
        opened = (int(self._cases.failed_at[row]),) if self._alike.sent[self._cases.failure[row]] else ()
        return (*self._cases.earlier.get(row, ()), *opened, *own)

    def _card(self, row: int, tries: tuple[int, ...], failure: Failure) -> Card:
        payer = self._cases.book.payers[self._cases.payer[row]]
        network = self._cases.book.failures[self._cases.failure[row]].card.network
        return Card(network, payer.amount, payer.currency, tries, failure)
