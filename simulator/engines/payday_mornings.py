"""The payday strategy on arrays: the same delays as `core.strategies.payday`, for many invoices at once."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.strategies.payday import LONGEST_SEARCH_DAYS, SECONDS_PER_DAY, Payday
from core.strategies.payday_patterns import is_payday, patterns_for
from simulator.model.cases import NO_VALUE, Booleans, Integers
from simulator.model.local_clocks import Location

EPOCH: Final = date(1970, 1, 1)
NO_DAY: Final = 1 << 40
"""Later than every day; as seconds it still fits into 64 bits."""


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
        self._days = _PaydayTable(strategy.patterns, spots, first, last)
        self._clocks = _ClockTable(spots, first, last)

    def plan_delays(self, requests: PaydayRequests) -> tuple[Integers, Booleans]:
        """Seconds from the failure, NO_VALUE where no retry is left; and which of them come from the ladder."""
        found = self._payday_delay(requests)
        rungs = found == NO_VALUE
        rows = np.flatnonzero(rungs)
        found[rows] = self._ladder_delay(_take_rows(requests, rows))
        return found, rungs

    def _payday_delay(self, requests: PaydayRequests) -> Integers:
        """The delay to the first payday morning between the bounds; NO_VALUE where there is none."""
        least = np.maximum(requests.earliest, self._strategy.shortest)
        most = np.minimum(requests.window, self._strategy.longest)
        found = np.full(len(least), NO_VALUE, dtype=np.int64)
        rows = np.flatnonzero(least <= most)
        wanted, least, most = _take_rows(requests, rows), least[rows], most[rows]
        first = self._clocks.local_day(wanted.location, wanted.failed_at + least)
        day = self._days.next_payday(wanted.location, first)
        # All open rows try one payday a round; a row leaves when it has found one or when none can follow.
        while len(rows):
            delay = self._morning_delay(wanted, day)
            near = (delay <= most) & (day < first + LONGEST_SEARCH_DAYS)
            good = near & (delay >= least)
            found[rows[good]] = delay[good]
            left = np.flatnonzero(near & ~good)
            rows, wanted, least, most, first = (
                rows[left],
                _take_rows(wanted, left),
                least[left],
                most[left],
                first[left],
            )
            day = self._days.next_payday(wanted.location, day[left] + 1)
        return found

    def _ladder_delay(self, requests: PaydayRequests) -> Integers:
        """The ladder's delay; one of a day or more moves to the next morning while the window holds."""
        found = requests.ladder_delay.copy()
        rows = np.flatnonzero(found >= SECONDS_PER_DAY)
        wanted = _take_rows(requests, rows)
        least = np.maximum(wanted.ladder_delay, wanted.earliest)
        first = self._clocks.local_day(wanted.location, wanted.failed_at + least)
        later = least.copy()
        is_final = np.zeros(len(later), dtype=np.bool_)
        # The morning of the first day may be over already: all rows try three days, and each keeps its first hit.
        for ahead in range(3):
            delay = self._morning_delay(wanted, first + ahead)
            better = ~is_final & (delay >= least)
            later, is_final = np.where(better, delay, later), is_final | better
        found[rows] = np.where(later <= wanted.window, later, wanted.ladder_delay)
        return found

    def _morning_delay(self, requests: PaydayRequests, day: Integers) -> Integers:
        """Seconds from the failure to this invoice's own moment in the morning of that day."""
        width = (self._strategy.to_hour - self._strategy.from_hour) * 3_600
        local = day * SECONDS_PER_DAY + self._strategy.from_hour * 3_600 + (requests.spread_value * width >> 32)
        return self._clocks.utc_seconds(requests.location, local) - requests.failed_at


def _take_rows(requests: PaydayRequests, rows: Integers) -> PaydayRequests:
    return PaydayRequests(*(column[rows] for column in requests))


class _PaydayTable:
    """By location and local day: the first payday from then on. Days count from 1970-01-01."""

    def __init__(self, patterns: tuple[str, ...] | None, spots: Sequence[Location], first: int, last: int) -> None:
        self._first, self._last = first // SECONDS_PER_DAY - 1, last // SECONDS_PER_DAY + 1
        self._table = np.stack([self._next_paydays(spot, patterns, first, last) for spot in spots])

    def next_payday(self, location: Integers, day: Integers) -> Integers:
        """The first payday of each location from `day` on; NO_DAY where none is in the range."""
        return np.asarray(self._table[location, np.clip(day, self._first, self._last) - self._first])

    def _next_paydays(self, spot: Location, patterns: tuple[str, ...] | None, first: int, last: int) -> Integers:
        calendar, mine = _calendar_at(spot, first, last), patterns or patterns_for(spot.country, spot.currency)
        days = range(self._first, self._last)
        paydays = [day for day in days if is_payday(EPOCH + timedelta(days=day), mine, calendar)]
        # One day more than the range, which stands for all that follow it.
        index = np.searchsorted(np.array(paydays, dtype=np.int64), np.arange(self._first, self._last + 1))
        return np.array([*paydays, NO_DAY], dtype=np.int64)[index]


class _ClockTable:
    """The clocks of locations, as one offset from UTC for each short step of time: a lookup instead of a search."""

    def __init__(self, spots: Sequence[Location], first: int, last: int) -> None:
        self._begin = (first // SECONDS_PER_DAY - 2) * SECONDS_PER_DAY
        changes = [_clock_changes(_calendar_at(spot, first, last)) for spot in spots]
        # No clock changes within a step: hours, but for the few places that change at a quarter.
        self._step = math.gcd(3_600, *(int(at) for one in changes for at in (*one.since[1:], *one.local)))
        grid = np.arange(self._begin, last + 2 * SECONDS_PER_DAY, self._step, dtype=np.int64)
        self._size = len(grid)
        rows = (one.offset[np.searchsorted(one.since[1:], grid, side="right")] for one in changes)
        self._by_utc = np.stack([*rows]).astype(np.int32)
        # A change is compared in the local time before it: the first time if clocks show it twice.
        rows = (one.offset[np.searchsorted(one.local, grid, side="right")] for one in changes)
        self._by_local = np.stack([*rows]).astype(np.int32)

    def local_day(self, location: Integers, at: Integers) -> Integers:
        """The local day of a moment, from 1970-01-01."""
        return np.asarray((at + self._by_utc[location, self._index(at)]) // SECONDS_PER_DAY)

    def utc_seconds(self, location: Integers, local: Integers) -> Integers:
        """When clocks there show this: the first time if they do so twice, by the later offset if they skip it."""
        return np.asarray(local - self._by_local[location, self._index(local)])

    def _index(self, at: Integers) -> Integers:
        # Outside of the range the first or the last offset holds, as in a calendar.
        return np.clip((at - self._begin) // self._step, 0, self._size - 1)


class _ClockChanges(NamedTuple):
    """The offsets of one location, and when they begin: the first one applies before its time, too."""

    since: Integers
    offset: Integers
    local: Integers
    """When each but the first begins, in the local time before it."""


def _clock_changes(calendar: Calendar) -> _ClockChanges:
    since = np.array([int(one.since.timestamp()) for one in calendar.offsets], dtype=np.int64)
    offset = np.array([one.seconds for one in calendar.offsets], dtype=np.int64)
    return _ClockChanges(since, offset, since[1:] + offset[:-1])


def _calendar_at(spot: Location, first: int, last: int) -> Calendar:
    begin, end = (datetime.fromtimestamp(one, UTC) for one in (first, last))
    return calendar_for(spot.country, spot.time_zone, begin, end, ahead=end - begin)
