"""Numbers of a result for people, the same in the report and on the terminal: as `core/formatting.py` writes them, with
a minus as wide as a plus.
"""

from typing import Final

from core import formatting

NO_FIGURE: Final = "–"
MINUS: Final = "−"


def format_percent(share: float) -> str:
    """A share of 1 as percent, with two digits: policies often differ by less than a tenth."""
    return _widen_minus(formatting.format_percent(share, 2))


def format_count(number: int) -> str:
    """A whole number with its thousands apart."""
    return _widen_minus(f"{number:,}")


def format_decimal(number: float) -> str:
    """With two digits behind the point, and no minus before zero."""
    return _widen_minus(f"{round(number, 2) + 0.0:,.2f}")


def format_money(amount: int, currency: str) -> str:
    """An amount in minor units."""
    return _widen_minus(formatting.format_amount(amount, currency))


def format_hours(hours: float | None) -> str:
    """A length of time in its two largest units; a dash for none."""
    return NO_FIGURE if hours is None else _widen_minus(formatting.format_duration(hours * 3_600))


def add_sign(text: str) -> str:
    """The text of a change, with a plus unless it is negative or zero."""
    return text if text.startswith(MINUS) or not any(one in text for one in "123456789") else f"+{text}"


def format_points(difference: float) -> str:
    """A difference of shares of 1 in percentage points, with its sign."""
    return _widen_minus(formatting.format_points(difference))


def format_interval(low: str, high: str) -> str:
    """An interval as `LOW to HIGH`."""
    return f"{low} to {high}"


def _widen_minus(text: str) -> str:
    return text.replace("-", MINUS)
