"""Measures how the CPU time of a call grows when its input is doubled."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

MOST_GROWTH: Final = 2.5
LEAST_SECONDS: Final = 0.001
"""CPU time of one measurement: shorter ones are repeated, since the clock and the machine add noise."""
ROUNDS: Final = 3
TRIES: Final = 6


@dataclass(frozen=True)
class GrowthCase:
    """A call, and an input of any size that takes it as long as possible."""

    name: str
    call: Callable[[Any], object]
    make: Callable[[int], Any]
    size: int = 4_000


def measure_growth(case: GrowthCase) -> float:
    """The CPU time for twice the size, divided by that for the size; the lowest of several tries."""
    small, large = case.make(case.size), case.make(2 * case.size)
    lowest = float("inf")
    for _ in range(TRIES):
        repeats = _enough_repeats(case, small)
        lowest = min(lowest, _best_time(case, large, repeats) / _best_time(case, small, repeats))
        if lowest <= MOST_GROWTH:
            break
    return lowest


def _enough_repeats(case: GrowthCase, given: Any) -> int:
    repeats = 1
    while _time_calls(case, given, repeats) < LEAST_SECONDS and repeats < 100_000:
        repeats *= 4
    return repeats


def _best_time(case: GrowthCase, given: Any, repeats: int) -> float:
    return min(_time_calls(case, given, repeats) for _ in range(ROUNDS))


def _time_calls(case: GrowthCase, given: Any, repeats: int) -> float:
    began = time.process_time()
    for _ in range(repeats):
        with suppress(Exception):  # a refusal is an answer, too: only its time counts
            case.call(given)
    return time.process_time() - began
