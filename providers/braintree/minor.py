"""Braintree's decimal amounts and the minor units of ISO 4217."""

from decimal import Decimal
from typing import Final

_NONE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF"}
    | {"XPF"}
)
_THREE: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def digits(currency: str) -> int:
    """How many decimals the currency has. Source: ISO 4217 list one."""
    return 0 if currency in _NONE else 3 if currency in _THREE else 2


def to_minor(amount: Decimal, currency: str) -> int | None:
    """In minor units; None for what is no such amount."""
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 15:
        return None
    scaled = amount.scaleb(digits(currency))
    return int(scaled) if scaled == int(scaled) else None


def to_text(minor: int, currency: str) -> str:
    """As Braintree's API takes it, e.g. `20.00`."""
    return f"{Decimal(minor).scaleb(-digits(currency)):.{digits(currency)}f}"
