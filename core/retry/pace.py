"""How fast our own clock runs: weeks pass in seconds in demos and tests."""

from datetime import timedelta
from typing import Final

from pydantic import Field

from core.base import Value


class Pace(Value):
    """Divides our own delays, cool-downs, windows and deadlines.

    What a network or a provider asks for never passes here.
    """

    time_scale: int = Field(1, ge=1)

    def shorten(self, span: timedelta) -> timedelta:
        """The span as it really passes, to the microsecond below."""
        return span // self.time_scale


REAL_TIME: Final = Pace()
"""Days take days."""
