"""Numbers of a result in words for people; the same in the report and on the terminal."""

from typing import Final

from core.money import text

NOTHING: Final = "–"
MINUS: Final = "−"
"""As wide as a plus."""


def percent(share: float) -> str:
    """A share of 1, as percent."""
    return f"{_signless(share * 100, 2)} %"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}".replace("-", MINUS)


def decimal(number: float) -> str:
    """With two digits behind the point."""
    return _signless(number, 2)


def money(amount: int, currency: str) -> str:
    """Minor units as people write them."""
    return f"{MINUS if amount < 0 else ''}{text(abs(amount), currency)}"


def span(hours: float | None) -> str:
    """Hours, from two days on also as days."""
    if hours is None:
        return NOTHING
    days = f" ({hours / 24:.1f} days)" if hours >= 48 else ""
    return f"{_signless(hours, 1)} h{days}"


def signed(text: str) -> str:
    """A change: with a plus where it isn't less or nothing."""
    return text if text.startswith(MINUS) or not any(one in text for one in "123456789") else f"+{text}"


def points(difference: float) -> str:
    """A difference of shares of 1, in percentage points, with its sign."""
    return signed(_signless(difference * 100, 2))


def between(low: str, high: str) -> str:
    """An interval."""
    return f"{low} to {high}"


def _signless(number: float, digits: int) -> str:
    """Without a minus before nothing."""
    text = f"{number:,.{digits}f}"
    return text.lstrip("-") if not any(one in text for one in "123456789") else text.replace("-", MINUS)
