"""The customer's holidays and clock changes as data, looked up outside: the core has no tables of either."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from core.base import Value

SATURDAY = 5


class ClockOffset(Value):
    """From `since` on, local clocks are ahead of UTC by `seconds`."""

    since: datetime
    seconds: int


class Calendar(Value):
    """Holidays and clock changes where the customer lives, for the days that a plan may fall on."""

    country: str | None = None
    """ISO 3166, upper case; None if unknown."""
    zone: str = "UTC"
    """Name of the time zone, for people."""
    holidays: tuple[date, ...] = ()
    offsets: tuple[ClockOffset, ...] = ()
    """In the order of time; the first one applies before its time, too. Empty: UTC."""

    def to_local_time(self, moment: datetime) -> datetime:
        """The local time at this moment, as a naive datetime."""
        known = [one for one in self.offsets if one.since <= moment] or list(self.offsets[:1])
        shown = moment.astimezone(UTC).replace(tzinfo=None)
        return shown + timedelta(seconds=known[-1].seconds) if known else shown

    def to_utc(self, local: datetime) -> datetime:
        """The moment of a naive local time, in UTC.

        If clocks show it twice, the first moment; if they skip it, one near the change.
        """
        if not self.offsets:
            return local.replace(tzinfo=UTC)
        for one, following in pairwise(self.offsets):
            found = _subtract_offset(local, one)
            if found < following.since:
                return found
        return _subtract_offset(local, self.offsets[-1])

    def is_business_day(self, day: date) -> bool:
        """Whether banks work on this day: no Saturday, Sunday or holiday."""
        return day.weekday() < SATURDAY and day not in self.holidays


def _subtract_offset(local: datetime, offset: ClockOffset) -> datetime:
    return local.replace(tzinfo=UTC) - timedelta(seconds=offset.seconds)
