"""Answers that are asked for once."""

from collections.abc import Callable
from typing import Final

import numpy as np

from simulator.cases import Integers

NO_VALUE: Final = -1


class Memo:
    """A table from numbers below `size` to numbers, filled as they turn up."""

    def __init__(self, size: int, ask: Callable[[int], int]) -> None:
        self._known: Integers = np.full(size, NO_VALUE, dtype=np.int64)
        self._ask = ask

    def look_up(self, keys: Integers) -> Integers:
        """The answer to each."""
        found = self._known[keys]
        if (found == NO_VALUE).any():
            for key in np.unique(keys[found == NO_VALUE]).tolist():
                self._known[key] = self._ask(key)
            found = self._known[keys]
        return np.asarray(found)
