"""Rates with confidence intervals, for reports: Wilson's, and Newcombe's for the difference of two rates.

The floats are for display only: nothing of this is written to the event log, which holds none.
"""

from math import sqrt
from typing import Final

from core.base import Value

Z_95: Final = 1.959963984540054
"""The quantile of the normal distribution for a two-sided interval of 95 percent."""


class Interval(Value):
    """An estimate and its 95 percent confidence interval, as fractions from -1 to 1."""

    estimate: float
    low: float
    high: float


def wilson_interval(won: int, of: int) -> Interval | None:
    """The proportion `won / of` with Wilson's score interval (1927); None if `of` is 0."""
    if of <= 0:
        return None
    share, square = won / of, Z_95 * Z_95
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = Z_95 * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    # Floating-point rounding could leave the range by its last bit.
    return Interval(estimate=share, low=max(middle - reach, 0.0), high=min(middle + reach, 1.0))


def newcombe_difference(first: Interval | None, second: Interval | None) -> Interval | None:
    """The first rate minus the second, by Newcombe's hybrid score method (1998, method 10); None if either is None."""
    if first is None or second is None:
        return None
    gap = first.estimate - second.estimate
    below = sqrt((first.estimate - first.low) ** 2 + (second.high - second.estimate) ** 2)
    above = sqrt((first.high - first.estimate) ** 2 + (second.estimate - second.low) ** 2)
    return Interval(estimate=gap, low=max(gap - below, -1.0), high=min(gap + above, 1.0))
