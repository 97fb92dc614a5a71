"""Reproducible random draws from a seed.

The standard library's distributions are not used: a recorded plan is rederived, so its draws must be the same in every
version of Python. Draws are rounded to millionths, since the last bits of a logarithm differ between machines.
"""

import math
from typing import Final

_MASK: Final = (1 << 64) - 1
_DENOMINATOR: Final = 1 << 53
MILLION: Final = 1_000_000


class RandomDraws:
    """SplitMix64 (Steele, Lea and Flood, 2014): the same seed always gives the same sequence."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def draw_below(self, bound: int) -> int:
        """A whole number from 0 to `bound - 1`."""
        return self._next_integer() * bound >> 64

    def draw_beta(self, alpha: float, beta: float) -> int:
        """A draw from the Beta distribution, in millionths; both parameters must be above 0."""
        first, second = self._draw_gamma(alpha), self._draw_gamma(beta)
        return round(first / (first + second) * MILLION) if first + second > 0 else MILLION // 2

    def _next_integer(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def _draw_uniform(self) -> float:
        """Between 0 and 1, both excluded."""
        # `_next_integer`, written out: an adaptive plan draws some two hundred of these.
        state = self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (((mixed ^ (mixed >> 31)) >> 11) + 0.5) / _DENOMINATOR

    def _draw_normal(self) -> float:
        """A normal draw by Marsaglia's polar method.

        The method's second value is discarded: keeping it would make a draw depend on the one before.
        """
        draw = self._draw_uniform
        while True:
            first, second = 2 * draw() - 1, 2 * draw() - 1
            radius = first * first + second * second
            if 0 < radius < 1:
                return first * math.sqrt(-2 * math.log(radius) / radius)

    def _draw_gamma(self, shape: float) -> float:
        """A gamma draw by Marsaglia and Tsang (2000); for a shape below 1, one of `shape + 1` is scaled down."""
        if shape < 1:
            return float(self._draw_gamma(shape + 1) * self._draw_uniform() ** (1 / shape))
        base = shape - 1 / 3
        factor = 1 / math.sqrt(9 * base)
        while True:
            normal = self._draw_normal()
            cube = (1 + factor * normal) ** 3
            if cube > 0 and math.log(self._draw_uniform()) < 0.5 * normal * normal + base * (1 - cube + math.log(cube)):
                return base * cube
