"""Time scale, which shortens our own delays in tests and demos, and parsing of durations."""

import re
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from pydantic import Field

from core.base import Value
from core.errors import InvalidPolicy


class TimeScale(Value):
    """The divisor of our own delays, cool-downs, windows and deadlines.

    Waits that a network or a provider asks for are never shortened.
    """

    factor: int = Field(1, ge=1)

    def shorten(self, span: timedelta) -> timedelta:
        """The span divided by the factor, rounded down to the microsecond."""
        return span if self.factor == 1 else span // self.factor


REAL_TIME: Final = TimeScale()
"""Factor 1: delays are not shortened."""


_SECONDS_PER_UNIT = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400})
_DURATION_SHAPE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def parse_duration(text: object) -> int:
    """A duration text such as `90s` or `7d` as whole seconds, 1 or more. Raises InvalidPolicy for anything else."""
    length = _parse_seconds(text) if isinstance(text, str) else 0
    if not length:
        raise InvalidPolicy(f"{text!r} is no length of time; write it like 90s, 15m, 3h or 7d")
    return length


# A policy has a few dozen of these texts, and each decision builds its strategy anew.
@lru_cache(maxsize=1024)
def _parse_seconds(text: str) -> int:
    """The length in seconds; 0 for text that is none."""
    found = _DURATION_SHAPE.fullmatch(text)
    return int(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else 0
