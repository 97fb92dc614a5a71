"""Holidays and clock changes, looked up here and handed to the plan as data: the core reads neither."""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from core.payments import FailureFacts
from core.retry.strategies.calendar import Calendar, Offset

AHEAD: Final = timedelta(days=60)
"""No strategy of ours looks further; a longer window only makes the plan's row longer."""
BEHIND: Final = timedelta(days=15)
"""Whether a day is a payday may depend on the free days that follow it, two weeks of them at most."""
HOUR: Final = timedelta(hours=1)
MAIN_ZONES: Final = {
    "AT": "Europe/Vienna", "AU": "Australia/Sydney", "BE": "Europe/Brussels", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "CH": "Europe/Zurich", "CZ": "Europe/Prague", "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen", "ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris",
    "GB": "Europe/London", "GR": "Europe/Athens", "IE": "Europe/Dublin", "IN": "Asia/Kolkata", "IT": "Europe/Rome",
    "JP": "Asia/Tokyo", "MX": "America/Mexico_City", "NL": "Europe/Amsterdam", "NO": "Europe/Oslo",
    "NZ": "Pacific/Auckland", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "SE": "Europe/Stockholm",
    "SG": "Asia/Singapore", "US": "America/Chicago", "ZA": "Africa/Johannesburg",
}  # fmt: skip
"""Where most people live, or the middle: stands in where the customer's own time zone is unknown."""


def calendar_for(
    country: str | None, time_zone: str | None, first: datetime, last: datetime, ahead: timedelta = AHEAD
) -> Calendar:
    """The days between two moments as they are there, `ahead` at most, and two weeks behind them.

    What isn't known is left out; never raises.
    """
    known = country.upper() if country else None
    zone = _zone(time_zone) or _zone(MAIN_ZONES.get(known or "")) or ZoneInfo("UTC")
    begin, end = first - timedelta(days=1), min(last, first + ahead) + BEHIND
    days = [day for year in range(begin.year, end.year + 1) for day in _holidays(known, year)]
    return Calendar(
        country=known,
        zone=zone.key,
        holidays=tuple(day for day in days if begin.date() <= day <= end.date()),
        offsets=tuple(_offsets(zone, begin, end)),
    )


def clock_of(facts: FailureFacts, now: datetime) -> Calendar:
    """What clocks show where the customer lives, for the next 60 days: for quiet hours, so without holidays."""
    customer = facts.customer
    country = (customer.country if customer else None) or facts.card.country
    zone = _zone(customer.time_zone if customer else None) or _zone(MAIN_ZONES.get((country or "").upper()))
    offsets = tuple(_offsets(zone, now, now + AHEAD)) if zone else ()
    return Calendar(country=country, zone=zone.key if zone else "UTC", offsets=offsets)


@lru_cache(maxsize=512)
def _holidays(country: str | None, year: int) -> tuple[date, ...]:
    """National holidays of a year in their order; none for a country or a year that the library doesn't know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of years that are too far ahead
        try:
            return tuple(sorted(holidays.country_holidays(country, years=year, expand=False))) if country else ()
        except (NotImplementedError, KeyError):
            return ()


@lru_cache(maxsize=512)
def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _offsets(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Offset]:
    """The offset at the beginning and every change after it, found to the hour, at which clocks change."""
    at = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    known = _offset(zone, at)
    yield Offset(since=at, seconds=known)
    while at < end:
        ahead = at + timedelta(days=1)
        if _offset(zone, ahead) != known:
            ahead = next(at + HOUR * hours for hours in range(1, 25) if _offset(zone, at + HOUR * hours) != known)
            known = _offset(zone, ahead)
            yield Offset(since=ahead, seconds=known)
        at = ahead


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta(0)).total_seconds())
