"""The customer's days as data: whoever plans gets them handed over, since the core reads neither holidays nor zones."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from core.base import Value

SATURDAY = 5


class ClockOffset(Value):
    """From this moment on clocks show so many seconds more than UTC."""

    since: datetime
    seconds: int


class Calendar(Value):
    """Holidays and clock changes where the customer lives, for the days that a plan may fall on."""

    country: str | None = None
    """ISO 3166, upper case; None where nobody knows."""
    zone: str = "UTC"
    """Name of the time zone, for people."""
    holidays: tuple[date, ...] = ()
    offsets: tuple[ClockOffset, ...] = ()
    """In the order of time; the first one also counts before it. None at all: UTC."""

    def to_local_time(self, moment: datetime) -> datetime:
        """What clocks there show at this moment, without a zone."""
        known = [one for one in self.offsets if one.since <= moment] or list(self.offsets[:1])
        shown = moment.astimezone(UTC).replace(tzinfo=None)
        return shown + timedelta(seconds=known[-1].seconds) if known else shown

    def to_utc(self, local: datetime) -> datetime:
        """The moment when clocks there show this; the first one of two, the nearest where they never do. In UTC."""
        if not self.offsets:
            return local.replace(tzinfo=UTC)
        for one, following in pairwise(self.offsets):
            found = _subtract_offset(local, one)
            if found < following.since:
                return found
        return _subtract_offset(local, self.offsets[-1])

    def is_business_day(self, day: date) -> bool:
        """Whether banks work on this day: not at weekends, not on holidays."""
        return day.weekday() < SATURDAY and day not in self.holidays


def _subtract_offset(local: datetime, offset: ClockOffset) -> datetime:
    return local.replace(tzinfo=UTC) - timedelta(seconds=offset.seconds)
