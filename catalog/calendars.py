"""Looks up holidays, clock changes and time zones and passes them to plans as data, since the core does no I/O.

One rule gives a customer's time zone for quiet hours, plans and messages: the one that the provider knows, else the
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
"""How far a calendar looks ahead. No shipped strategy needs more, and more would only make the plan's row longer."""
BEHIND: Final = timedelta(days=15)
"""Days added after the end: whether a day is a payday may depend on up to two weeks of free days that follow it."""
HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
"""Step for zones with offsets of half and quarter hours, whose clocks change within an hour of UTC."""
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
"""The zone where most people live, or a central one, for customers whose time zone is unknown. A country without an
entry has one zone, which CLDR names.
"""
_WITHOUT_ZONES: Final = frozenset({"BV", "HM", "XK"})
LAST_MIDNIGHT: Final = "Pacific/Pago_Pago"
"""The zone where a day begins last, for dates of customers whose country is unknown."""


def is_country(code: str) -> bool:
    """Whether this code of two capital letters is in ISO 3166 or used by card networks (XK, Kosovo)."""
    return bool(_country_zones(code)) or code in _WITHOUT_ZONES


def is_time_zone(name: str) -> bool:
    """Whether the tz database has a zone of this name. `CET+1` is none."""
    return _parse_zone(name) is not None


def zone_of(country: str | None, time_zone: str | None) -> ZoneInfo:
    """The time zone for hours: the customer's own, else the country's, else UTC. Never raises."""
    code = country.upper() if country else ""
    known = _parse_zone(time_zone) or _parse_zone(MAIN_ZONES.get(code)) or next(iter(_country_zones(code)), None)
    return known or ZoneInfo("UTC")


def zones_for_dates(country: str | None, time_zone: str | None) -> tuple[str, ...]:
    """Names of the zones of which the earliest date is to be shown. Never empty, never raises.

    The customer's own zone; else all zones of the country; else the one where a day begins last.
    """
    own = _parse_zone(time_zone)
    zones = (own,) if own else _country_zones((country or "").upper())
    return tuple(zone.key for zone in zones) or (LAST_MIDNIGHT,)


def calendar_for(
    country: str | None, time_zone: str | None, first: datetime, last: datetime, ahead: timedelta = AHEAD
) -> Calendar:
    """The customer's holidays and clock changes, from a day before `first` to two weeks after `last`.

    Ends at the latest two weeks after `first + ahead`. An unknown country has no holidays, an unknown zone is UTC.
    Never raises.
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
    """The customer's clock changes for the next 60 days, without holidays: for quiet hours. Never raises."""
    zone = zone_of(country, time_zone)
    offsets = tuple(_offset_changes(zone, now, now + AHEAD, QUARTER)) if zone.key != "UTC" else ()
    return Calendar(country=country, zone=zone.key, offsets=offsets)


@lru_cache(maxsize=512)
def _national_holidays(country: str | None, year: int) -> tuple[date, ...]:
    """National holidays of a year, sorted; empty for a country or year that the library doesn't know."""
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
    """Every time zone of a country (CLDR, by Babel); empty for an unknown code."""
    names = get_global("territory_zones").get(country, ()) if len(country) == 2 and country != "ZZ" else ()
    return tuple(found for name in names if (found := _parse_zone(name)))


def _offset_changes(zone: ZoneInfo, begin: datetime, end: datetime, step: timedelta = HOUR) -> Iterator[ClockOffset]:
    """The UTC offset at the beginning and every change until the end, to the accuracy of `step`."""
    # Day by day, and step by step only within a day whose offset differs: clocks change twice a year.
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
