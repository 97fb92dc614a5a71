"""Formats the numbers of a result, the same in the report and on the terminal."""

from typing import Final

from core.money import format_amount

NO_FIGURE: Final = "–"
MINUS: Final = "−"
"""A minus sign as wide as a plus."""


def format_percent(share: float) -> str:
    """A fraction of 1 in percent, two decimals: 0.25 is `25.00 %`."""
    return f"{_format_number(share * 100, 2)} %"


def format_count(number: int) -> str:
    """A whole number with thousands separators."""
    return f"{number:,}".replace("-", MINUS)


def format_decimal(number: float) -> str:
    """A number with two decimals."""
    return _format_number(number, 2)


def format_money(amount: int, currency: str) -> str:
    """An amount in minor units, as text with its currency."""
    return f"{MINUS if amount < 0 else ''}{format_amount(abs(amount), currency)}"


def format_hours(hours: float | None) -> str:
    """Hours with one decimal, from two days on also in days; NO_FIGURE for None."""
    if hours is None:
        return NO_FIGURE
    days = f" ({hours / 24:.1f} days)" if hours >= 48 else ""
    return f"{_format_number(hours, 1)} h{days}"


def add_sign(text: str) -> str:
    """The text of a change, with a plus unless it is negative or zero."""
    return text if text.startswith(MINUS) or not any(one in text for one in "123456789") else f"+{text}"


def format_points(difference: float) -> str:
    """A difference of fractions of 1 in percentage points, with its sign."""
    return add_sign(_format_number(difference * 100, 2))


def format_interval(low: str, high: str) -> str:
    """An interval as `LOW to HIGH`."""
    return f"{low} to {high}"


def _format_number(number: float, digits: int) -> str:
    """A number with so many decimals, without a minus before zero."""
    text = f"{number:,.{digits}f}"
    return text.lstrip("-") if not any(one in text for one in "123456789") else text.replace("-", MINUS)
