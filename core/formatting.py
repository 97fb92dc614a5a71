"""How values are written for people, in English: amounts, lengths of time, percentages and moments.

Admin console, command line, demo, reports and notices take their texts from here. Messages to customers are written
in the customer's language (`notifications/locales.py`), with the decimals and the scaling of `core/money.py`, as here.
What a strategy records of its decision is worded in its own file: a changed word would make it another decision.
"""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from core.money import to_major_units

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SPELLED_UNITS: Final = ((86_400, 2, "day"), (3_600, 1, "hour"), (60, 1, "minute"), (1, 0, "second"))
"""Seconds, from how many on it is used, name."""
_SHORT_FROM: Final = 100_000
_MAGNITUDES: Final = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def format_amount(amount: int, currency: str) -> str:
    """An amount in minor units: 1,234.00 EUR, 5,000 UGX; the bare number where no currency is known."""
    return f"{to_major_units(amount, currency):,} {currency.upper()}" if currency else f"{amount:,}"


def format_short_amount(amount: int, currency: str) -> str:
    """An amount in minor units; from 100,000 major units on rounded to two digits of a thousand, million or billion:
    99,999.99 EUR, 250K EUR, 1.23M EUR.
    """
    major = to_major_units(amount, currency)
    if abs(major) < _SHORT_FROM:
        return format_amount(amount, currency)
    rounded = ((_round(major / size, 2), letter) for size, letter in _MAGNITUDES)
    number, letter = next((number, letter) for number, letter in rounded if abs(number) >= 1)
    digits = f"{number:,}".rstrip("0").rstrip(".")
    return f"{digits}{letter} {currency.upper()}"


def format_duration(length: float | timedelta) -> str:
    """A length of time (seconds, or a timedelta) in its two largest units, smaller ones cut off: 3 h, 1 d 4 h, 0 s.

    The second unit follows the first: a day and a minute are 1 d.
    """
    seconds = round(_to_seconds(length))
    sign, left = "-" if seconds < 0 else "", abs(seconds)
    first = next((place for place, (size, _) in enumerate(_UNITS) if left >= size), len(_UNITS) - 1)
    shown: list[str] = []
    for size, unit in _UNITS[first : first + 2]:
        count, left = divmod(left, size)
        if count or not shown:
            shown.append(f"{count} {unit}")
    return sign + " ".join(shown)


def spell_duration(length: int | timedelta) -> str:
    """A length of time (whole seconds, or a timedelta) in words and exactly, in the largest unit that divides it:
    90 minutes, 24 hours, 45 days. Days are used from two on: a single one could be taken for a date.
    """
    seconds = round(_to_seconds(length))
    size, name = next(
        (size, name) for size, least, name in _SPELLED_UNITS if seconds % size == 0 and abs(seconds) >= least * size
    )
    count = seconds // size
    return f"{count:,} {name}{'' if abs(count) == 1 else 's'}"


def _to_seconds(length: float | timedelta) -> float:
    return length.total_seconds() if isinstance(length, timedelta) else length


def format_percent(share: float, digits: int = 1) -> str:
    """A share of 1 as percent, half a last digit rounded away from zero: 43.1%, -0.3%, with no minus before 0.0%."""
    return f"{_round(_to_percent(share), digits):,}%"


def format_points(difference: float) -> str:
    """A difference of two shares of 1 in percentage points, rounded as a percentage, with its sign: +0.14, 0.00."""
    points = _round(_to_percent(difference), 2)
    return f"{points:+,}" if points else f"{points:,}"


def _to_percent(share: float) -> Decimal:
    # By way of its shortest text: 0.145 is 14.5 percent then, and not the 14.499... that the binary number is.
    return Decimal(str(share)).scaleb(2)


def _round(number: Decimal, digits: int) -> Decimal:
    """Half a last digit away from zero; zero without a sign."""
    return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0


def format_moment(at: datetime, *, seconds: bool = False) -> str:
    """A moment in UTC, with or without its seconds: 2026-11-24 08:00 UTC. `at` is aware, in any time zone."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC" if seconds else f"{utc:%Y-%m-%d %H:%M} UTC"


def format_day(at: datetime) -> str:
    """The day of a moment in UTC: 2026-11-24. `at` is aware, in any time zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
