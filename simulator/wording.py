"""Numbers of a result in words for people; the same in the report and on the terminal."""

from typing import Final

ZERO_DECIMALS: Final = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
THREE_DECIMALS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
"""Currencies whose minor unit isn't a hundredth, by ISO 4217."""
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
    digits = 0 if currency.upper() in ZERO_DECIMALS else 3 if currency.upper() in THREE_DECIMALS else 2
    whole, rest = divmod(abs(amount), 10**digits)
    text = f"{whole:,}.{rest:0{digits}}" if digits else f"{whole:,}"
    return f"{MINUS if amount < 0 else ''}{text} {currency.upper()}".strip()


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
