"""Holidays, clock changes and time zones, looked up here and handed to the plan as data: the core reads none of them.

One rule gives a customer's clock for quiet hours, plans and messages: the time zone that the provider knows, else the
country's. In a country with several zones, hours use the one where most people live, and dates in messages the one
where the day begins last: no message then names a date after the deadline where the customer lives.
"""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from babel.core import get_global

from core.calendar import Calendar, ClockOffset

AHEAD: Final = timedelta(days=60)
"""No strategy of ours looks further; a longer window only makes the plan's row longer."""
BEHIND: Final = timedelta(days=15)
"""Whether a day is a payday may depend on the free days that follow it, two weeks of them at most."""
HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
"""Clocks of zones that are half an hour apart change in the middle of an hour of UTC."""
MAIN_ZONES: Final = {
    "AR": "America/Argentina/Buenos_Aires", "AT": "Europe/Vienna", "AU": "Australia/Sydney", "BE": "Europe/Brussels",
    "BR": "America/Sao_Paulo", "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CH": "Europe/Zurich",
    "CL": "America/Santiago", "CN": "Asia/Shanghai", "CZ": "Europe/Prague", "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen", "EC": "America/Guayaquil", "ES": "Europe/Madrid", "FI": "Europe/Helsinki",
    "FM": "Pacific/Pohnpei", "FR": "Europe/Paris", "GB": "Europe/London", "GL": "America/Nuuk", "GR": "Europe/Athens",
    "ID": "Asia/Jakarta", "IE": "Europe/Dublin", "IN": "Asia/Kolkata", "IT": "Europe/Rome", "JP": "Asia/Tokyo",
    "KI": "Pacific/Tarawa", "KZ": "Asia/Almaty", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
    "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RU": "Europe/Moscow",
    "SE": "Europe/Stockholm", "SG": "Asia/Singapore", "UA": "Europe/Kyiv", "US": "America/Chicago",
    "ZA": "Africa/Johannesburg",
}  # fmt: skip
"""Where most people live, or the middle: stands in where the customer's own time zone is unknown. A country without a
line has one clock, which CLDR names."""
_WITHOUT_ZONES: Final = frozenset({"BV", "HM", "XK"})
LAST_MIDNIGHT: Final = "Pacific/Pago_Pago"
"""Where on earth a day begins last, for dates of people of whom nothing is known."""


def is_country(code: str) -> bool:
    """Whether ISO 3166 knows this code of two capital letters, or card networks use it (Kosovo)."""
    return bool(_country_zones(code)) or code in _WITHOUT_ZONES


def is_time_zone(name: str) -> bool:
    """Whether the tz database knows it. `CET+1` it doesn't."""
    return _parse_zone(name) is not None


def zone_of(country: str | None, time_zone: str | None) -> ZoneInfo:
    """The clock that hours go by: the customer's own, else the country's, else UTC. Never raises."""
    code = country.upper() if country else ""
    known = _parse_zone(time_zone) or _parse_zone(MAIN_ZONES.get(code)) or next(iter(_country_zones(code)), None)
    return known or ZoneInfo("UTC")


def zones_for_dates(country: str | None, time_zone: str | None) -> tuple[str, ...]:
    """The zones of which the earliest date is to be named: the customer's own; else all of the country; else the one
    where a day begins last anywhere. Never empty, never raises.
    """
    own = _parse_zone(time_zone)
    zones = (own,) if own else _country_zones((country or "").upper())
    return tuple(zone.key for zone in zones) or (LAST_MIDNIGHT,)


def calendar_for(
    country: str | None, time_zone: str | None, first: datetime, last: datetime, ahead: timedelta = AHEAD
) -> Calendar:
    """The days between two moments as they are there, `ahead` at most, and two weeks behind them.

    What isn't known is left out; never raises.
    """
    known = country.upper() if country else None
    zone = zone_of(known, time_zone)
    begin, end = first - timedelta(days=1), min(last, first + ahead) + BEHIND
    days = [day for year in range(begin.year, end.year + 1) for day in _national_holidays(known, year)]
    return Calendar(
        country=known,
        zone=zone.key,
        holidays=tuple(day for day in days if begin.date() <= day <= end.date()),
        offsets=tuple(_offset_changes(zone, begin, end)),
    )


def clock_for(country: str | None, time_zone: str | None, now: datetime) -> Calendar:
    """What clocks show where the customer lives, for the next 60 days: for quiet hours, so without holidays."""
    zone = zone_of(country, time_zone)
    offsets = tuple(_offset_changes(zone, now, now + AHEAD, QUARTER)) if zone.key != "UTC" else ()
    return Calendar(country=country, zone=zone.key, offsets=offsets)


@lru_cache(maxsize=512)
def _national_holidays(country: str | None, year: int) -> tuple[date, ...]:
    """National holidays of a year in their order; none for a country or a year that the library doesn't know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of years that are too far ahead
        try:
            return tuple(sorted(holidays.country_holidays(country, years=year, expand=False))) if country else ()
        except (NotImplementedError, KeyError):
            return ()


@lru_cache(maxsize=512)
def _parse_zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=512)
def _country_zones(country: str) -> tuple[ZoneInfo, ...]:
    """Every time zone of a country (CLDR, by Babel); none for what is no country."""
    names = get_global("territory_zones").get(country, ()) if len(country) == 2 and country != "ZZ" else ()
    return tuple(found for name in names if (found := _parse_zone(name)))


def _offset_changes(zone: ZoneInfo, begin: datetime, end: datetime, step: timedelta = HOUR) -> Iterator[ClockOffset]:
    """The offset at the beginning and every change after it, found to the step."""
    at = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    known = _utc_offset(zone, at)
    yield ClockOffset(since=at, seconds=known)
    while at < end:
        ahead = at + timedelta(days=1)
        if _utc_offset(zone, ahead) != known:
            steps = range(1, timedelta(days=1) // step + 1)
            ahead = next(at + step * count for count in steps if _utc_offset(zone, at + step * count) != known)
            known = _utc_offset(zone, ahead)
            yield ClockOffset(since=ahead, seconds=known)
        at = ahead


def _utc_offset(zone: ZoneInfo, moment: datetime) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta(0)).total_seconds())
