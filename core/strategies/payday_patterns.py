"""On which days people are paid: patterns by country, as data.

A pattern is a day of the month (`1` to `31`), `last` (of the month), a weekday (`mon` … `sun`), or
`fortnight:2026-01-01` (every 14 days from that day on). What falls on a weekend or holiday is paid on the working day
before. That a payday helps at all, and which days these are, is told by vendors without numbers that anybody could
check (decline facts, section 7, marked weak): a starting point, to be replaced by the merchant's own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Final

from core.calendar import Calendar
from core.errors import InvalidPolicy

EURO_COUNTRIES: Final = (
    "AT",
    "BE",
    "DE",
    "ES",
    "FI",
    "FR",
    "GR",
    "IE",
    "IT",
    "LU",
    "NL",
    "PT",
    "SI",
    "SK",
    "EE",
    "LV",
    "LT",
)
PAYDAY_PATTERNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "US": ("1", "15", "fri"),
        "GB": ("last",),
        "AU": ("fortnight:2026-01-01",),
        **dict.fromkeys((*EURO_COUNTRIES, "HR", "CY", "MT"), ("last",)),
    }
)
"""By country; the weak claim of one vendor. Britain's last working day is `last` moved before free days; which of two
Thursdays is Australia's is our guess.
"""
CURRENCY_COUNTRIES: Final[Mapping[str, str]] = MappingProxyType({"USD": "US", "GBP": "GB", "AUD": "AU", "EUR": "DE"})
"""Whose patterns count where only the currency is known."""

PaydayPattern = Callable[[date], bool]
"""Whether a day is one of the pattern, before weekends and holidays are looked at."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORTNIGHT = re.compile(r"fortnight:([0-9]{4}-[0-9]{2}-[0-9]{2})", re.ASCII)


def patterns_for(country: str | None, currency: str) -> tuple[str, ...]:
    """The patterns of the country, else of the currency's; empty where neither is known."""
    known = PAYDAY_PATTERNS.get((country or "").upper())
    return known or PAYDAY_PATTERNS.get(CURRENCY_COUNTRIES.get(currency.upper(), ""), ())


def check_patterns(texts: object) -> tuple[str, ...]:
    """A merchant's own patterns. Raises InvalidPolicy for what is none."""
    if not isinstance(texts, Iterable) or isinstance(texts, str):
        raise InvalidPolicy("paydays must be a list of patterns")
    found = tuple(texts)
    for text in found:
        _parse_pattern(text)
    if not found:
        raise InvalidPolicy("paydays must name at least one pattern")
    return found


def is_payday(day: date, patterns: Iterable[str], calendar: Calendar) -> bool:
    """Whether money arrives on this day: it is one of the pattern's, or stands in for free days that follow it."""
    if not calendar.is_business_day(day):
        return False
    wanted = [_parse_pattern(text) for text in patterns]
    return any(fits(one) for one in (day, *_free_days_after(day, calendar)) for fits in wanted)


def _free_days_after(day: date, calendar: Calendar) -> list[date]:
    """The free days that follow without a gap, two weeks of them at most."""
    following = (day + timedelta(days=count) for count in range(1, 15))
    return list(takewhile(lambda one: not calendar.is_business_day(one), following))


def _parse_pattern(text: object) -> PaydayPattern:
    """Raises InvalidPolicy."""
    if text == "last":
        return lambda day: (day + timedelta(days=1)).day == 1
    if text in _WEEKDAYS:
        return lambda day: _WEEKDAYS[day.weekday()] == text
    if isinstance(text, str) and text.isascii() and text.isdigit() and 1 <= int(text) <= 31:
        return lambda day: day.day == int(text)
    return _parse_fortnight(text)


def _parse_fortnight(text: object) -> PaydayPattern:
    found = _FORTNIGHT.fullmatch(text) if isinstance(text, str) else None
    try:
        anchor = date.fromisoformat(found[1]) if found else None
    except ValueError:
        anchor = None
    if anchor is None:
        raise InvalidPolicy(f"{text!r} is no payday; write 1 to 31, last, mon to sun, fortnight:DATE")
    return lambda day: (day - anchor).days % 14 == 0
