"""How fast our own clock runs: weeks pass in seconds in demos and tests."""

from datetime import timedelta
from typing import Final

from pydantic import Field

from core.base import Value


class TimeScale(Value):
    """Divides our own delays, cool-downs, windows and deadlines.

    What a network or a provider asks for never passes here.
    """

    factor: int = Field(1, ge=1)

    def shorten(self, span: timedelta) -> timedelta:
        """The span as it really passes, to the microsecond below."""
        return span // self.factor


REAL_TIME: Final = TimeScale()
"""Days take days."""
