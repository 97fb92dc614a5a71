"""The payday strategy on arrays: the same delays as `core.strategies.payday`, for many invoices at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.strategies.payday import LONGEST_SEARCH_DAYS, SECONDS_PER_DAY, Payday
from core.strategies.payday_patterns import is_payday, patterns_for
from simulator.model.cases import NO_VALUE, Booleans, Integers
from simulator.model.local_clocks import Location

EPOCH: Final = date(1970, 1, 1)


class PaydayRequests(NamedTuple):
    """Retries to plan, a row each. In seconds; all but `failed_at` count from the failure."""

    location: Integers
    """Index into the locations of the calendar."""
    failed_at: Integers
    earliest: Integers
    """The shortest delay allowed."""
    window: Integers
    """The longest delay allowed."""
    spread_value: Integers
    """`core.ids.spread_attempt` of invoice and attempt."""
    ladder_delay: Integers
    """The ladder's delay, jitter included; NO_VALUE where it has no step left."""


class PaydayCalendar:
    """Clocks and paydays of these locations from `first` to `last` (seconds since 1970), for one strategy."""

    def __init__(self, strategy: Payday, spots: Sequence[Location], first: int, last: int) -> None:
        self._strategy = strategy
        self._calendars = [_LocalCalendar(spot, strategy.patterns, first, last) for spot in spots]

    def plan_delays(self, requests: PaydayRequests) -> tuple[Integers, Booleans]:
        """Seconds from the failure, NO_VALUE where no retry is left; and which of them come from the ladder."""
        found = np.full(len(requests.location), NO_VALUE, dtype=np.int64)
        rungs = np.zeros(len(requests.location), dtype=np.bool_)
        for number in np.unique(requests.location):
            rows = np.flatnonzero(requests.location == number)
            found[rows], rungs[rows] = self._delays_at(
                self._calendars[number], PaydayRequests(*(column[rows] for column in requests))
            )
        return found, rungs

    def _delays_at(self, place: "_LocalCalendar", requests: PaydayRequests) -> tuple[Integers, Booleans]:
        payday = self._payday_delay(place, requests)
        rungs = payday == NO_VALUE
        return np.where(rungs, self._ladder_delay(place, requests), payday), rungs

    def _payday_delay(self, place: "_LocalCalendar", requests: PaydayRequests) -> Integers:
        """The delay to the first payday morning between the bounds; NO_VALUE where there is none."""
        least = np.maximum(requests.earliest, self._strategy.shortest)
        most = np.minimum(requests.window, self._strategy.longest)
        first = place.local_day(requests.failed_at + least)
        found = np.full(len(first), NO_VALUE, dtype=np.int64)
        # All open rows try one payday a round; a row leaves when it has found one or when none can follow.
        turn, open_rows = np.searchsorted(place.paydays, first), np.flatnonzero(least <= most)
        while len(open_rows):
            open_rows = open_rows[turn[open_rows] < len(place.paydays)]
            day = place.paydays[turn[open_rows]]
            delay = self._morning_delay(place, day, requests.failed_at[open_rows], requests.spread_value[open_rows])
            near = (delay <= most[open_rows]) & (day < first[open_rows] + LONGEST_SEARCH_DAYS)
            good = near & (delay >= least[open_rows])
            found[open_rows[good]] = delay[good]
            turn[open_rows] += 1
            open_rows = open_rows[near & ~good]
        return found

    def _ladder_delay(self, place: "_LocalCalendar", requests: PaydayRequests) -> Integers:
        """The ladder's delay; one of a day or more moves to the next morning while the window holds."""
        least = np.maximum(requests.ladder_delay, requests.earliest)
        first = place.local_day(requests.failed_at + least)
        later = least.copy()
        is_final = np.zeros(len(later), dtype=np.bool_)
        # The morning of the first day may be over already: all rows try three days, and each keeps its first hit.
        for ahead in range(3):
            delay = self._morning_delay(place, first + ahead, requests.failed_at, requests.spread_value)
            better = ~is_final & (delay >= least)
            later, is_final = np.where(better, delay, later), is_final | better
        return np.where(
            (requests.ladder_delay >= SECONDS_PER_DAY) & (later <= requests.window), later, requests.ladder_delay
        )

    def _morning_delay(
        self, place: "_LocalCalendar", day: Integers, failed_at: Integers, spread_value: Integers
    ) -> Integers:
        """Seconds from the failure to this invoice's own moment in the morning of that day."""
        width = (self._strategy.to_hour - self._strategy.from_hour) * 3_600
        local = day * SECONDS_PER_DAY + self._strategy.from_hour * 3_600 + (spread_value * width >> 32)
        return place.utc_seconds(local) - failed_at


class _LocalCalendar:
    """Clock and paydays of one location. Days count from 1970-01-01, local."""

    def __init__(self, spot: Location, patterns: tuple[str, ...] | None, first: int, last: int) -> None:
        begin, end = (datetime.fromtimestamp(one, UTC) for one in (first, last))
        self._calendar = calendar_for(spot.country, spot.time_zone, begin, end, ahead=end - begin)
        self._patterns = patterns or patterns_for(spot.country, spot.currency)
        self._first, self._last = first // SECONDS_PER_DAY - 1, last // SECONDS_PER_DAY + 1
        self._since = np.array([int(one.since.timestamp()) for one in self._calendar.offsets], dtype=np.int64)
        self._offset = np.array([one.seconds for one in self._calendar.offsets], dtype=np.int64)

    @cached_property
    def paydays(self) -> Integers:
        """The paydays of the range, rising."""
        days = range(self._first, self._last)
        return np.array([day for day in days if _is_local_payday(day, self._patterns, self._calendar)], dtype=np.int64)

    def local_day(self, at: Integers) -> Integers:
        """The local day of a moment."""
        turn = np.maximum(np.searchsorted(self._since, at, side="right") - 1, 0)
        return np.asarray((at + self._offset[turn]) // SECONDS_PER_DAY)

    def utc_seconds(self, local: Integers) -> Integers:
        """When clocks there show this: the first time if they do so twice, by the later offset if they skip it."""
        # A change is compared in the local time before it, since `local` is local, too.
        changes = self._since[1:] + self._offset[:-1]
        return np.asarray(local - self._offset[np.searchsorted(changes, local, side="right")])


def _is_local_payday(day: int, patterns: Sequence[str], calendar: Calendar) -> bool:
    return is_payday(EPOCH + timedelta(days=day), patterns, calendar)
