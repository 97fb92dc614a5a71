"""Random draws by name instead of in sequence (a counter-based generator).

A draw is a hash of seed, stream, case and number. So both arms get the same draws (common random numbers), and a case
has the same outcome in whatever chunk, process or order it is simulated.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_UNIT: Final = 2.0**-53


class Stream(IntEnum):
    """The purposes of draws. A stream's number is hashed into its draws: never change or reuse one."""

    REASON = 1
    PAYER = 2
    NETWORK = 3
    TIME = 4
    PRIORS = 5
    SELF_PAID = 6
    SELF_PAID_AT = 7
    MESSAGE = 8
    ANSWER = 9
    ANSWER_AT = 10
    CHARGE = 11
    COUNTRY = 12
    RESAMPLE = 13
    NEW_METHOD = 14


def draw_uniforms(seed: int, stream: Stream, cases: Words, number: int | Words = 0) -> Floats:
    """One float in [0, 1) for each case; `number` tells apart the draws of one stream, such as attempts."""
    with np.errstate(over="ignore"):
        key = _mix_words(np.uint64(seed & 0xFFFFFFFFFFFFFFFF) + np.uint64(stream) * _GOLDEN)
        named = _mix_words(cases + key) + np.asarray(number, dtype=np.uint64) * _GOLDEN
    # The upper 53 bits are all that a float64 holds exactly: multiples of 2**-53, so 1.0 is never drawn.
    return (_mix_words(named) >> np.uint64(11)).astype(np.float64) * _UNIT


def _mix_words(words: Words | np.uint64) -> Words:
    """SplitMix64's step and finalizer; uint64 wraps at 2**64 as the algorithm wants."""
    with np.errstate(over="ignore"):
        # In place from here on: a new column for each operation costs more than the operation.
        mixed = np.array(words, dtype=np.uint64)
        mixed += _GOLDEN
        mixed ^= mixed >> np.uint64(30)
        mixed *= _FIRST
        mixed ^= mixed >> np.uint64(27)
        mixed *= _SECOND
        mixed ^= mixed >> np.uint64(31)
        return mixed
