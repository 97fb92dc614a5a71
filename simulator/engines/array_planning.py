"""The planner's arithmetic on arrays: when the next retry of many invoices is due."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.engines.decision_table import DecisionTable
from simulator.engines.payday_mornings import PaydayCalendar, PaydayRequests
from simulator.engines.situations import CaseFeatures
from simulator.model.cases import NEVER, NO_VALUE, Booleans, Cases, Integers
from simulator.model.outcome_model import clock_range


class PlanRequests(NamedTuple):
    """Retries to plan, a row each; each plan is made at the moment of failure. Times in seconds since 1970, UTC."""

    rows: Integers
    answer: Integers
    failed_at: Integers
    ends: Integers
    """When the recovery window ends."""
    attempt: Integers
    """The number of the scheduled retry, from 1."""


class ArrayPlanner:
    """Plans retries for the cases of one chunk, with the same results as `core.planning`."""

    def __init__(self, features: CaseFeatures, answers: DecisionTable, cases: Cases) -> None:
        self._features, self._answers, self._cases = features, answers, cases

    def plan_retries(self, wanted: PlanRequests) -> Integers:
        """When each is due, seconds since 1970; NEVER where the strategy has no retry left. May exceed the window."""
        column, answer = self._answers.column, wanted.answer
        spread_value = spread_array(self._cases.book.spread_seeds[self._cases.name[wanted.rows]], wanted.attempt)
        delay = _add_jitter(column("steady")[answer], column("jitter")[answer], spread_value)
        floor = np.maximum(column("cool_down")[answer], column("requested_wait")[answer])
        late_ends = column("late_ends")[answer] == 1
        if self._answers.payday_strategies:
            delay, late_ends = self._payday_delays(wanted, delay, late_ends, spread_value, floor)
        # A proposal beyond the window goes to the fallback ladder, unless the strategy lets a late proposal end it.
        unusable = ~late_ends & (wanted.failed_at + delay > wanted.ends)
        ladder = _add_jitter(column("fallback")[answer], column("fallback_jitter")[answer], spread_value)
        delay = np.where(unusable, ladder, delay)
        due = wanted.failed_at + np.maximum(delay, floor)
        # Tested on `delay`: the floor has already lifted the -1 of NO_VALUE in `due`.
        return np.where(delay == NO_VALUE, NEVER, due)

    def _payday_delays(
        self, wanted: PlanRequests, delay: Integers, late_ends: Booleans, spread_value: Integers, floor: Integers
    ) -> tuple[Integers, Booleans]:
        """`delay` and `late_ends`, replaced in the rows of payday strategies by their own answers."""
        strategy = self._answers.column("strategy")[wanted.answer]
        delay, late_ends = delay.copy(), late_ends.copy()
        spots = self._locations[wanted.rows]
        for number in range(len(self._answers.payday_strategies)):
            mine = np.flatnonzero(strategy == number)
            if len(mine) == 0:
                continue
            window = (wanted.ends - wanted.failed_at)[mine]
            asked = PaydayRequests(
                spots[mine], wanted.failed_at[mine], floor[mine], window, spread_value[mine], delay[mine]
            )
            delay[mine], late_ends[mine] = self._payday_calendar(number).plan_delays(asked)
        return delay, late_ends

    @cached_property
    def _locations(self) -> Integers:
        """By case: index into the locations. Another card is of the same country, so that it doesn't change them."""
        return self._features.location_index(self._cases.failure, self._cases.payer)

    def _payday_calendar(self, strategy: int) -> PaydayCalendar:
        return self._answers.payday_calendar(strategy, self._features.locations, *clock_range(self._cases))


def spread_array(seeds: NDArray[np.uint32], attempt: Integers) -> Integers:
    """`core.ids.spread_attempt` of each invoice and attempt: 32 evenly spread bits, bit for bit the same."""
    # uint32 wraps at 2**32 by itself, where the scalar code masks; int64 afterwards, so that a product doesn't wrap.
    with np.errstate(over="ignore"):
        mixed = seeds.astype(np.uint32) ^ (attempt.astype(np.uint32) * np.uint32(0x9E3779B1))
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray(mixed ^ (mixed >> np.uint32(16))).astype(np.int64)


def _add_jitter(steady: Integers, jitter: Integers, spread_value: Integers) -> Integers:
    """The delay plus each invoice's own 0..jitter seconds; NO_VALUE stays."""
    # `spread_value` has 32 bits: times n, shifted right by 32, it is an even spread over 0..n-1 without floats.
    return np.where(steady == NO_VALUE, NO_VALUE, steady + (spread_value * (jitter + 1) >> 32))
