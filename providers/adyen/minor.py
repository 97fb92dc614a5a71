"""Adyen's minor units and those of ISO 4217: for four currencies they are not the same.

Source: docs.adyen.com/development-resources/currency-codes ("differs from standard").
"""

from collections.abc import Mapping
from typing import Final

_MORE_DIGITS: Final[Mapping[str, int]] = {"CLP": 2, "ISK": 2, "CVE": -2, "IDR": -2}
"""How many decimals Adyen counts more than ISO 4217 does."""


def to_iso(value: int, currency: str) -> int | None:
    """Adyen's amount in minor units of ISO 4217; None for one that has no such amount (half a Chilean peso)."""
    digits = _MORE_DIGITS.get(currency, 0)
    if digits <= 0:
        return int(value * 10**-digits)
    whole, rest = divmod(value, int(10**digits))
    return None if rest else whole


def from_iso(value: int, currency: str) -> int | None:
    """The amount as Adyen wants it; None for one that it can't take."""
    digits = _MORE_DIGITS.get(currency, 0)
    if digits >= 0:
        return int(value * 10**digits)
    whole, rest = divmod(value, int(10**-digits))
    return None if rest else whole
