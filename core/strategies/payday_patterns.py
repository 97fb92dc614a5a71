"""The days on which people are paid: patterns by country, as data.

A pattern is a day of the month (`1` to `31`), `last` (of the month), a weekday (`mon` … `sun`), or
`fortnight:2026-01-01` (every 14 days from that day on). A payday on a weekend or holiday is moved to the working day
before. The evidence is weak: that paydays help, and which days they are, are vendors' claims without published numbers.
Take them as a starting point, to be replaced by the merchant's own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
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
"""Patterns by country, the claim of one vendor. Britain's last working day is `last`, moved before free days; which of
two alternating Thursdays is Australia's is our assumption.
"""
CURRENCY_COUNTRIES: Final[Mapping[str, str]] = MappingProxyType({"USD": "US", "GBP": "GB", "AUD": "AU", "EUR": "DE"})
"""The country whose patterns apply if only the currency is known."""

_ONE_DAY: Final = timedelta(days=1)
PaydayPattern = Callable[[date], bool]
"""Whether a day matches a pattern, before weekends and holidays are considered."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORTNIGHT = re.compile(r"fortnight:([0-9]{4}-[0-9]{2}-[0-9]{2})", re.ASCII)


def patterns_for(country: str | None, currency: str) -> tuple[str, ...]:
    """The patterns of the country, else of the currency's country; empty if neither has any."""
    known = PAYDAY_PATTERNS.get((country or "").upper())
    return known or PAYDAY_PATTERNS.get(CURRENCY_COUNTRIES.get(currency.upper(), ""), ())


def check_patterns(texts: object) -> tuple[str, ...]:
    """A merchant's own patterns. Raises InvalidPolicy if one isn't a pattern, or if there are none."""
    if not isinstance(texts, Iterable) or isinstance(texts, str):
        raise InvalidPolicy("paydays must be a list of patterns")
    found = tuple(texts)
    for text in found:
        _parse_pattern(text)
    if not found:
        raise InvalidPolicy("paydays must name at least one pattern")
    return found


def is_payday(day: date, patterns: Iterable[str], calendar: Calendar) -> bool:
    """Whether people are paid on this working day: it matches, or a free day right after it does."""
    if not calendar.is_business_day(day):
        return False
    wanted = [_known_pattern(text) for text in patterns]
    if any(fits(day) for fits in wanted):
        return True
    return any(fits(one) for one in _free_days_after(day, calendar) for fits in wanted)


@lru_cache(maxsize=1024)  # the texts of the policies in force
def _known_pattern(text: str) -> PaydayPattern:
    return _parse_pattern(text)


def _free_days_after(day: date, calendar: Calendar) -> list[date]:
    """The free days that follow without a gap, 14 at most."""
    found: list[date] = []
    following = day + _ONE_DAY
    while len(found) < 14 and not calendar.is_business_day(following):
        found.append(following)
        following += _ONE_DAY
    return found


def _parse_pattern(text: object) -> PaydayPattern:
    """The test of a pattern. Raises InvalidPolicy for any other text."""
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
