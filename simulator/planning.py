"""When the next retry is due, for many invoices at once: the planner's arithmetic on arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.alike import Alike
from simulator.answers import Answers
from simulator.cases import NEVER, Booleans, Cases, Integers
from simulator.fate import span
from simulator.memo import NONE
from simulator.mornings import Almanac, Asked


class Plans(NamedTuple):
    """Plans that are wanted, a row each; the failure is just now. Seconds since 1970."""

    rows: Integers
    answer: Integers
    failure: Integers
    failed_at: Integers
    ends: Integers
    """Of the window."""
    attempt: Integers
    """Which scheduled retry it will be, from 1."""


class Planner:
    """Plans for the cases of one chunk."""

    def __init__(self, alike: Alike, answers: Answers, cases: Cases) -> None:
        self._alike, self._answers, self._cases = alike, answers, cases

    def plan(self, wanted: Plans) -> Integers:
        """When each is due; NEVER where the strategy has no further retry. May lie beyond the window: that ends it."""
        column, answer = self._answers.column, wanted.answer
        lot = spread(self._cases.book.seeds[self._cases.name[wanted.rows]], wanted.attempt)
        delay = _jittered(column("steady")[answer], column("jitter")[answer], lot)
        floor = np.maximum(column("cool_down")[answer], column("asked")[answer])
        late_ends = column("late_ends")[answer] == 1
        if self._answers.mornings:
            delay, late_ends = self._mornings(wanted, delay, late_ends, lot, floor)
        unusable = ~late_ends & (wanted.failed_at + delay > wanted.ends)
        ladder = _jittered(column("fallback")[answer], column("fallback_jitter")[answer], lot)
        delay = np.where(unusable, ladder, delay)
        due = wanted.failed_at + np.maximum(delay, floor)
        return np.where(delay == NONE, NEVER, due)

    def _mornings(
        self, wanted: Plans, delay: Integers, late_ends: Booleans, lot: Integers, floor: Integers
    ) -> tuple[Integers, Booleans]:
        """The same, where payday strategies decide by days."""
        strategy = self._answers.column("strategy")[wanted.answer]
        delay, late_ends = delay.copy(), late_ends.copy()
        spots = self._alike.spot(wanted.failure, self._cases.payer[wanted.rows])
        for number in np.unique(strategy[strategy != NONE]).tolist():
            mine = np.flatnonzero(strategy == number)
            window = (wanted.ends - wanted.failed_at)[mine]
            asked = Asked(spots[mine], wanted.failed_at[mine], floor[mine], window, lot[mine], delay[mine])
            delay[mine], late_ends[mine] = self._almanac(number).delays(asked)
        return delay, late_ends

    def _almanac(self, strategy: int) -> Almanac:
        return self._answers.almanac(strategy, self._alike.spots, *span(self._cases))


def spread(seeds: NDArray[np.uint32], attempt: Integers) -> Integers:
    """`core.ids.spread` of each invoice and attempt."""
    with np.errstate(over="ignore"):
        mixed = seeds.astype(np.uint32) ^ (attempt.astype(np.uint32) * np.uint32(0x9E3779B1))
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray(mixed ^ (mixed >> np.uint32(16))).astype(np.int64)


def _jittered(steady: Integers, jitter: Integers, lot: Integers) -> Integers:
    """The delay with each invoice's own share of the jitter; NONE stays."""
    return np.where(steady == NONE, NONE, steady + (lot * (jitter + 1) >> 32))
