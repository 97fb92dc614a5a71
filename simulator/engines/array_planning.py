"""When the next retry is due, for many invoices at once: the planner's arithmetic on arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.engines.decision_table import DecisionTable
from simulator.engines.payday_mornings import PaydayCalendar, PaydayRequests
from simulator.engines.situations import CaseFeatures
from simulator.model.cases import NEVER, NO_VALUE, Booleans, Cases, Integers
from simulator.model.charge_outcomes import clock_range


class PlanRequests(NamedTuple):
    """Plans that are wanted, a row each; the failure is just now. Seconds since 1970."""

    rows: Integers
    answer: Integers
    failure: Integers
    failed_at: Integers
    ends: Integers
    """Of the window."""
    attempt: Integers
    """Which scheduled retry it will be, from 1."""


class ArrayPlanner:
    """Plans for the cases of one chunk."""

    def __init__(self, features: CaseFeatures, answers: DecisionTable, cases: Cases) -> None:
        self._features, self._answers, self._cases = features, answers, cases

    def plan_retries(self, wanted: PlanRequests) -> Integers:
        """When each is due; NEVER where the strategy has no further retry. May lie beyond the window: that ends it."""
        column, answer = self._answers.column, wanted.answer
        spread_value = spread_array(self._cases.book.spread_seeds[self._cases.name[wanted.rows]], wanted.attempt)
        delay = _add_jitter(column("steady")[answer], column("jitter")[answer], spread_value)
        floor = np.maximum(column("cool_down")[answer], column("requested_wait")[answer])
        late_ends = column("late_ends")[answer] == 1
        if self._answers.payday_strategies:
            delay, late_ends = self._payday_delays(wanted, delay, late_ends, spread_value, floor)
        unusable = ~late_ends & (wanted.failed_at + delay > wanted.ends)
        ladder = _add_jitter(column("fallback")[answer], column("fallback_jitter")[answer], spread_value)
        delay = np.where(unusable, ladder, delay)
        due = wanted.failed_at + np.maximum(delay, floor)
        return np.where(delay == NO_VALUE, NEVER, due)

    def _payday_delays(
        self, wanted: PlanRequests, delay: Integers, late_ends: Booleans, spread_value: Integers, floor: Integers
    ) -> tuple[Integers, Booleans]:
        """The same, where payday strategies decide by days."""
        strategy = self._answers.column("strategy")[wanted.answer]
        delay, late_ends = delay.copy(), late_ends.copy()
        spots = self._features.location_index(wanted.failure, self._cases.payer[wanted.rows])
        for number in np.unique(strategy[strategy != NO_VALUE]).tolist():
            mine = np.flatnonzero(strategy == number)
            window = (wanted.ends - wanted.failed_at)[mine]
            asked = PaydayRequests(
                spots[mine], wanted.failed_at[mine], floor[mine], window, spread_value[mine], delay[mine]
            )
            delay[mine], late_ends[mine] = self._payday_calendar(number).plan_delays(asked)
        return delay, late_ends

    def _payday_calendar(self, strategy: int) -> PaydayCalendar:
        return self._answers.payday_calendar(strategy, self._features.locations, *clock_range(self._cases))


def spread_array(seeds: NDArray[np.uint32], attempt: Integers) -> Integers:
    """`core.ids.spread` of each invoice and attempt."""
    with np.errstate(over="ignore"):
        mixed = seeds.astype(np.uint32) ^ (attempt.astype(np.uint32) * np.uint32(0x9E3779B1))
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray(mixed ^ (mixed >> np.uint32(16))).astype(np.int64)


def _add_jitter(steady: Integers, jitter: Integers, spread_value: Integers) -> Integers:
    """The delay with each invoice's own share of the jitter; NONE stays."""
    return np.where(steady == NO_VALUE, NO_VALUE, steady + (spread_value * (jitter + 1) >> 32))
