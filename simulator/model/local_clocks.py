"""Local time and paydays of many payers at once, on arrays."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.strategies.payday_patterns import is_payday, patterns_for
from simulator.model.cases import Booleans, Integers, Payer

HOUR: Final = 3_600
DAY: Final = 86_400
EPOCH_WEEKDAY: Final = 3
"""The weekday of 1970-01-01, a Thursday; Monday is 0."""


class Location(NamedTuple):
    """The part of a payer's residence that decides clock and paydays."""

    country: str | None
    time_zone: str | None
    currency: str


class LocalTime(NamedTuple):
    """Local hour, weekday and payday of moments, a row each."""

    hour: Integers
    weekday: Integers
    """Monday is 0."""
    payday: Booleans


class LocalClocks:
    """The clocks of these payers from `first` to `last`, seconds since 1970 in UTC."""

    def __init__(self, payers: Sequence[Payer], first: int, last: int) -> None:
        locations = {Location(one.country, one.time_zone, one.currency): None for one in payers}
        index = {spot: number for number, spot in enumerate(locations)}
        known = [index[Location(one.country, one.time_zone, one.currency)] for one in payers]
        self.location_index: Integers = np.array(known, dtype=np.int64)
        """By payer: index into `locations`."""
        self.locations = tuple(locations)
        self.calendars = tuple(_location_calendar(spot, first, last) for spot in locations)
        self._hour = first // HOUR - 1
        self._day = first // DAY - 2
        grid = np.arange(self._hour, last // HOUR + 2, dtype=np.int64) * HOUR
        # One offset per location and UTC hour: a lookup by index instead of a search in every zone's changes.
        # Half as wide as other columns: the table then stays in the processor's cache.
        self._offsets = np.stack([_hourly_offsets(calendar, grid) for calendar in self.calendars]).astype(np.int32)
        days = last // DAY + 3 - self._day
        self._paydays = np.stack(
            [_payday_flags(*one, self._day, days) for one in zip(locations, self.calendars, strict=True)]
        )

    def local_time(self, payer: Integers, at: Integers) -> LocalTime:
        """The local time of each payer at each moment `at`, which must lie within the range of the clocks."""
        spot = self.location_index[payer]
        shown = at + self._offsets[spot, at // HOUR - self._hour]
        day = shown // DAY
        payday = np.asarray(self._paydays[spot, day - self._day])
        # Remainders by products: numpy divides by a constant several times faster than it takes a remainder.
        weekday = day + EPOCH_WEEKDAY
        return LocalTime(shown // HOUR - day * 24, weekday - weekday // 7 * 7, payday)


def _location_calendar(spot: Location, first: int, last: int) -> Calendar:
    begin, end = (datetime.fromtimestamp(one, UTC) for one in (first - DAY, last + DAY))
    return calendar_for(spot.country, spot.time_zone, begin, end, ahead=end - begin + timedelta(days=1))


def _hourly_offsets(calendar: Calendar, grid: Integers) -> Integers:
    since = np.array([int(one.since.timestamp()) for one in calendar.offsets], dtype=np.int64)
    seconds = np.array([one.seconds for one in calendar.offsets], dtype=np.int64)
    return seconds[np.maximum(np.searchsorted(since, grid, side="right") - 1, 0)]


def _payday_flags(spot: Location, calendar: Calendar, first: int, days: int) -> Booleans:
    patterns = patterns_for(spot.country, spot.currency)
    begin = date(1970, 1, 1) + timedelta(days=first)
    found = (is_payday(begin + timedelta(days=ahead), patterns, calendar) for ahead in range(days))
    return np.fromiter(found, dtype=np.bool_, count=days)
