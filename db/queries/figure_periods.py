"""Which sums make up a period: those of whole months and days, and recoveries one by one at its two ends."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

DAY: Final = timedelta(days=1)


class Edge(NamedTuple):
    """A part of a day, [since, until), whose recoveries count `weight` times: -1 takes them off a whole day's sums."""

    weight: int
    since: datetime
    until: datetime


class SumRange(NamedTuple):
    """Stored sums of this kind, `day` or `month`, of days in [since, until). A month's day is its first."""

    kind: str
    since: date
    until: date


class SummedPeriod(NamedTuple):
    """The whole days [first, last), as ranges of stored sums, and the edges that make them the period asked for."""

    first: date
    last: date
    ranges: tuple[SumRange, ...]
    edges: tuple[Edge, ...]


def split_period(since: datetime, until: datetime, daily: bool) -> SummedPeriod:
    """The parts of [since, until), both in UTC; with `daily` days aren't taken together to months."""
    begin, end = _midnight_of(since), _midnight_of(until)
    if since >= until:
        return SummedPeriod(begin.date(), begin.date(), (), ())
    if begin == end:
        return SummedPeriod(begin.date(), begin.date(), (), (Edge(1, since, until),))
    first, before = _begin_days(since, begin)
    last, after = _end_days(until, end)
    ranges = (SumRange("day", first, last),) if daily else tuple(_find_ranges(first, last))
    return SummedPeriod(first, last, ranges, (*before, *after))


def _midnight_of(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)


def _begin_days(since: datetime, begin: datetime) -> tuple[date, tuple[Edge, ...]]:
    """The first whole day, and the shorter part of the day in which the period begins."""
    if since == begin:
        return begin.date(), ()
    if since - begin <= DAY / 2:
        return begin.date(), (Edge(-1, begin, since),)
    return begin.date() + DAY, (Edge(1, since, begin + DAY),)


def _end_days(until: datetime, end: datetime) -> tuple[date, tuple[Edge, ...]]:
    """The day after the last whole one, and what is left of the day in which the period ends."""
    # Most periods end now: today's sums are whole, and nothing has opened later.
    if until == end:
        return end.date(), ()
    if end.date() == date.max:
        return end.date(), (Edge(1, end, until),)
    return end.date() + DAY, (Edge(-1, until, end + DAY),)


def _find_ranges(first: date, last: date) -> Iterator[SumRange]:
    """The whole months in [first, last), and the days before and after them."""
    months_end = last.replace(day=1)
    months = first if first.day == 1 or first >= months_end else (first.replace(day=1) + 31 * DAY).replace(day=1)
    if months >= months_end:
        yield SumRange("day", first, last)
        return
    yield from (
        one
        for one in (
            SumRange("day", first, months),
            SumRange("month", months, months_end),
            SumRange("day", months_end, last),
        )
        if one.since < one.until
    )
