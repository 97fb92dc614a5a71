"""Categorical distributions: map arrays of uniform draws in [0, 1) to categories or durations."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulator.model.cases import Integers
from simulator.model.draws import Floats

_CELLS: Final = 4_096
_UNSURE: Final = -1


class CategoricalDistribution:
    """Categories numbered from 0, each with its share. A category without a share is never drawn."""

    def __init__(self, shares: Sequence[float]) -> None:
        summed = np.cumsum(np.array(shares, dtype=np.float64))
        self._cumulative: Floats = summed / summed[-1] if summed[-1] else np.ones_like(summed)
        self._guide = self._build_guide()

    def __call__(self, draws: Floats) -> Integers:
        """The category of each draw; 1.0, to which a quotient may be rounded, gives the last one with a share."""
        # A guide table of equal cells: a cell that lies within one category answers at once; only draws in cells
        # with a boundary need the binary search.
        found = self._guide[(draws * _CELLS).astype(np.int64)]
        unsure = np.flatnonzero(found == _UNSURE)
        found[unsure] = np.searchsorted(self._cumulative, draws[unsure], side="right")
        return found

    def position_within(self, number: Integers, draws: Floats) -> Floats:
        """The position of each draw within its category `number`, from 0 to 1: uniform again, a draw for free."""
        begin = np.concatenate(([0.0], self._cumulative))[number]
        width = self._cumulative[number] - begin
        return np.asarray(np.divide(draws - begin, width, out=np.zeros_like(draws), where=width > 0))

    def _build_guide(self) -> Integers:
        edges = np.arange(_CELLS + 1) / _CELLS
        low = np.searchsorted(self._cumulative, edges[:-1], side="right")
        high = np.searchsorted(self._cumulative, np.nextafter(edges[1:], 0), side="right")
        last = np.searchsorted(self._cumulative, np.nextafter(1.0, 0), side="right")
        # One cell more, for a draw of exactly 1.0.
        return np.append(np.where(low == high, low, _UNSURE), last).astype(np.int64)


class DurationDistribution:
    """Durations in seconds: `shares` of them lie below each of `ends`, evenly spread from the end before."""

    def __init__(self, ends: Sequence[int], shares: Sequence[float]) -> None:
        self._distribution = CategoricalDistribution(shares)
        self._ends: Integers = np.array(ends, dtype=np.int64)
        self._begins: Integers = np.concatenate(([0], self._ends[:-1])).astype(np.int64)

    def __call__(self, draws: Floats) -> Integers:
        """The duration of each draw, whole seconds."""
        span = self._distribution(draws)
        begin, part = self._begins[span], self._distribution.position_within(span, draws)
        return np.asarray(begin + (part * (self._ends[span] - begin)).astype(np.int64))
