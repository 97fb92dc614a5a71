"""Chance that can be had again: whole numbers from a seed, and draws made of them.

The standard library's generator is not used, since a plan must come out the same from its recorded inputs with every
version of Python. Draws are given in millionths: what differs between machines in the last bits of a logarithm is
rounded away.
"""

import math
from typing import Final

_MASK: Final = (1 << 64) - 1
_DENOMINATOR: Final = 1 << 53
MILLION: Final = 1_000_000


class RandomDraws:
    """SplitMix64: the same seed gives the same numbers for ever."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def draw_below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return self._next_integer() * bound >> 64

    def draw_beta(self, alpha: float, beta: float) -> int:
        """A draw from the Beta distribution, in millionths; both parameters above 0."""
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
        return ((self._next_integer() >> 11) + 0.5) / _DENOMINATOR

    def _draw_normal(self) -> float:
        """Marsaglia's polar method; its second value is thrown away, so that no draw depends on the one before."""
        while True:
            first, second = 2 * self._draw_uniform() - 1, 2 * self._draw_uniform() - 1
            radius = first * first + second * second
            if 0 < radius < 1:
                return first * math.sqrt(-2 * math.log(radius) / radius)

    def _draw_gamma(self, shape: float) -> float:
        """Marsaglia and Tsang, 2000; a shape below 1 is drawn one higher and brought down."""
        if shape < 1:
            return float(self._draw_gamma(shape + 1) * self._draw_uniform() ** (1 / shape))
        base = shape - 1 / 3
        factor = 1 / math.sqrt(9 * base)
        while True:
            normal = self._draw_normal()
            cube = (1 + factor * normal) ** 3
            if cube > 0 and math.log(self._draw_uniform()) < 0.5 * normal * normal + base * (1 - cube + math.log(cube)):
                return base * cube
