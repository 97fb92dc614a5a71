"""Minor units and what they are of: ISO 4217's exponents, and where a provider counts differently."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_NONE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"}
    | {"UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_THEIR_OWN: Final[Mapping[tuple[str, str], int]] = {
    ("stripe", "ISK"): 2,
    ("stripe", "UGX"): 2,
    ("stripe", "MGA"): 0,
}
"""docs.stripe.com/currencies (zero-decimal and special cases); from memory.

Adyen's own decimals and Braintree's amounts become minor units of ISO 4217 where they come in (their `minor.py`).
"""


def decimals(currency: str, provider: str = "") -> int:
    """How many decimals the amounts of this currency have at that provider."""
    code = currency.upper()
    usual = 0 if code in _NONE else 3 if code in _THREE else 2
    return _THEIR_OWN.get((provider, code), usual)


def major(amount: int, currency: str, provider: str = "") -> Decimal:
    """An amount in minor units as people write it: 4900 EUR is 49.00."""
    return Decimal(amount).scaleb(-decimals(currency, provider))
