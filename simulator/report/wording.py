"""Numbers of a result in words for people; the same in the report and on the terminal."""

from typing import Final

from core.money import format_amount

NO_FIGURE: Final = "–"
MINUS: Final = "−"
"""As wide as a plus."""


def format_percent(share: float) -> str:
    """A share of 1, as percent."""
    return f"{_format_number(share * 100, 2)} %"


def format_count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}".replace("-", MINUS)


def format_decimal(number: float) -> str:
    """With two digits behind the point."""
    return _format_number(number, 2)


def format_money(amount: int, currency: str) -> str:
    """Minor units as people write them."""
    return f"{MINUS if amount < 0 else ''}{format_amount(abs(amount), currency)}"


def format_hours(hours: float | None) -> str:
    """Hours, from two days on also as days."""
    if hours is None:
        return NO_FIGURE
    days = f" ({hours / 24:.1f} days)" if hours >= 48 else ""
    return f"{_format_number(hours, 1)} h{days}"


def add_sign(text: str) -> str:
    """A change: with a plus where it isn't less or nothing."""
    return text if text.startswith(MINUS) or not any(one in text for one in "123456789") else f"+{text}"


def format_points(difference: float) -> str:
    """A difference of shares of 1, in percentage points, with its sign."""
    return add_sign(_format_number(difference * 100, 2))


def format_interval(low: str, high: str) -> str:
    """An interval."""
    return f"{low} to {high}"


def _format_number(number: float, digits: int) -> str:
    """Without a minus before nothing."""
    text = f"{number:,.{digits}f}"
    return text.lstrip("-") if not any(one in text for one in "123456789") else text.replace("-", MINUS)
