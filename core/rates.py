"""Rates with their uncertainty, for reports: Wilson's interval, and Newcombe's for the difference of two rates.

Floats are for people here; nothing of it is written into the event log.
"""

from math import sqrt
from typing import Final

from core.base import Value

Z_95: Final = 1.959963984540054
"""Of the normal distribution, for 95 percent."""


class Interval(Value):
    """An estimate and where the truth is with 95 percent confidence."""

    estimate: float
    low: float
    high: float


def wilson_interval(won: int, of: int) -> Interval | None:
    """A proportion with Wilson's score interval; None of nothing."""
    if of <= 0:
        return None
    share, square = won / of, Z_95 * Z_95
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = Z_95 * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Interval(estimate=share, low=max(middle - reach, 0.0), high=min(middle + reach, 1.0))


def newcombe_difference(first: Interval | None, second: Interval | None) -> Interval | None:
    """How much higher the first rate is, by Newcombe's hybrid score method (1998, method 10)."""
    if first is None or second is None:
        return None
    gap = first.estimate - second.estimate
    below = sqrt((first.estimate - first.low) ** 2 + (second.high - second.estimate) ** 2)
    above = sqrt((first.high - first.estimate) ** 2 + (second.estimate - second.low) ** 2)
    return Interval(estimate=gap, low=max(gap - below, -1.0), high=min(gap + above, 1.0))
