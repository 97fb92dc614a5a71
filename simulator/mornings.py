"""The payday strategy on arrays: the same mornings for many invoices at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from catalog.calendars import calendar_for
from core.retry.strategies.calendar import Calendar
from core.retry.strategies.payday import DAY, LONGEST_SEARCH, Payday
from core.retry.strategies.paydays import is_payday, patterns_for
from simulator.cases import Booleans, Integers
from simulator.memo import NONE
from simulator.places import Spot

EPOCH: Final = date(1970, 1, 1)


class Asked(NamedTuple):
    """Plans that are wanted, a row each. Seconds; spans count from the failure."""

    spot: Integers
    """Index into the spots of the almanac."""
    failed_at: Integers
    least: Integers
    """Nothing sooner counts."""
    window: Integers
    """Nothing later counts."""
    lot: Integers
    """`core.ids.spread` of invoice and attempt."""
    rung: Integers
    """The ladder's delay, jitter included; NONE where it has none left."""


class Almanac:
    """Clocks and paydays of some places in some weeks, for one strategy."""

    def __init__(self, strategy: Payday, spots: Sequence[Spot], first: int, last: int) -> None:
        self._strategy = strategy
        self._places = [_Place(spot, strategy.patterns, first, last) for spot in spots]

    def delays(self, asked: Asked) -> tuple[Integers, Booleans]:
        """Seconds from the failure, NONE where there is no further retry; and which are the ladder's own words."""
        found = np.full(len(asked.spot), NONE, dtype=np.int64)
        rungs = np.zeros(len(asked.spot), dtype=np.bool_)
        for number in np.unique(asked.spot):
            rows = np.flatnonzero(asked.spot == number)
            found[rows], rungs[rows] = self._of(self._places[number], Asked(*(column[rows] for column in asked)))
        return found, rungs

    def _of(self, place: "_Place", asked: Asked) -> tuple[Integers, Booleans]:
        payday = self._payday(place, asked)
        rungs = payday == NONE
        return np.where(rungs, self._rung(place, asked), payday), rungs

    def _payday(self, place: "_Place", asked: Asked) -> Integers:
        """The first payday morning between the bounds."""
        least = np.maximum(asked.least, self._strategy.shortest)
        most = np.minimum(asked.window, self._strategy.longest)
        first = place.day(asked.failed_at + least)
        found = np.full(len(first), NONE, dtype=np.int64)
        turn, open_rows = np.searchsorted(place.paydays, first), np.flatnonzero(least <= most)
        while len(open_rows):
            open_rows = open_rows[turn[open_rows] < len(place.paydays)]
            day = place.paydays[turn[open_rows]]
            delay = self._morning(place, day, asked.failed_at[open_rows], asked.lot[open_rows])
            near = (delay <= most[open_rows]) & (day < first[open_rows] + LONGEST_SEARCH)
            good = near & (delay >= least[open_rows])
            found[open_rows[good]] = delay[good]
            turn[open_rows] += 1
            open_rows = open_rows[near & ~good]
        return found

    def _rung(self, place: "_Place", asked: Asked) -> Integers:
        """The ladder's delay; one of a day or more moves to the next morning while the window holds."""
        least = np.maximum(asked.rung, asked.least)
        first = place.day(asked.failed_at + least)
        later = least.copy()
        settled = np.zeros(len(later), dtype=np.bool_)
        for ahead in range(3):
            delay = self._morning(place, first + ahead, asked.failed_at, asked.lot)
            better = ~settled & (delay >= least)
            later, settled = np.where(better, delay, later), settled | better
        return np.where((asked.rung >= DAY) & (later <= asked.window), later, asked.rung)

    def _morning(self, place: "_Place", day: Integers, failed_at: Integers, lot: Integers) -> Integers:
        """Seconds from the failure to this invoice's own moment in the morning of that day."""
        width = (self._strategy.to_hour - self._strategy.from_hour) * 3_600
        local = day * DAY + self._strategy.from_hour * 3_600 + (lot * width >> 32)
        return place.moment(local) - failed_at


class _Place:
    """One spot's clock and paydays. Days count from 1970-01-01, local."""

    def __init__(self, spot: Spot, patterns: tuple[str, ...] | None, first: int, last: int) -> None:
        begin, end = (datetime.fromtimestamp(one, UTC) for one in (first, last))
        self._calendar = calendar_for(spot.country, spot.time_zone, begin, end, ahead=end - begin)
        self._patterns = patterns or patterns_for(spot.country, spot.currency)
        self._first, self._last = first // DAY - 1, last // DAY + 1
        self._since = np.array([int(one.since.timestamp()) for one in self._calendar.offsets], dtype=np.int64)
        self._offset = np.array([one.seconds for one in self._calendar.offsets], dtype=np.int64)

    @cached_property
    def paydays(self) -> Integers:
        """Days on which money arrives."""
        days = range(self._first, self._last)
        return np.array([day for day in days if _pays(day, self._patterns, self._calendar)], dtype=np.int64)

    def day(self, at: Integers) -> Integers:
        """The local day of a moment."""
        turn = np.maximum(np.searchsorted(self._since, at, side="right") - 1, 0)
        return np.asarray((at + self._offset[turn]) // DAY)

    def moment(self, local: Integers) -> Integers:
        """When clocks there show this: the first time, or the nearest where they never do."""
        changes = self._since[1:] + self._offset[:-1]
        return np.asarray(local - self._offset[np.searchsorted(changes, local, side="right")])


def _pays(day: int, patterns: Sequence[str], calendar: Calendar) -> bool:
    return is_payday(EPOCH + timedelta(days=day), patterns, calendar)
