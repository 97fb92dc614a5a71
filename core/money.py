"""Amounts of money: the decimals of each currency, by ISO 4217 and at each provider.

Our minor units are those of ISO 4217, in the log, in messages, in tables and in the API. Amounts of a provider with
other decimals are converted where they are read and sent, so that amounts of several providers can be added. How they
are written stands in `core/formatting.py`.

Sources: ISO 4217 list one, as published by SIX (amendment 177). Stripe: docs.stripe.com/currencies, "Zero-decimal
currencies", "Three-decimal currencies" and "Special cases" (read in November 2026). Adyen:
docs.adyen.com/development-resources/currency-codes ("differs from standard"). Braintree:
developer.paypal.com/braintree/docs/reference/request/transaction/sale ("amount": major units with ISO's decimals).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

DEFAULT_DECIMALS: Final = 2
ISO_DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Decimals of the currencies that don't have two, by ISO code."""

PROVIDER_DECIMALS: Final[Mapping[str, Mapping[str, int]]] = {
    # ISK and UGX have no decimals any more, but Stripe still expects two that are 00: 500000 is 5,000 UGX.
    # HUF and TWD differ from ISO in payouts only, which this service never makes.
    "stripe": {"ISK": 2, "UGX": 2, "MGA": 0},
    "adyen": {"CLP": 2, "ISK": 2, "CVE": 0, "IDR": 0},
}
"""Decimals of currencies that a provider counts otherwise than ISO 4217, by provider name and ISO code."""

_LEGACY_DECIMALS: Final = {"stripe": PROVIDER_DECIMALS["stripe"]}
"""Providers whose amounts release 0.1.0 stored in the provider's own decimals; see `upgrade_amount`."""
MINOR_UNITS_MARK: Final = "iso4217"
"""The value of `units` in a row whose amount another release may have stored in other decimals."""


def currency_decimals(currency: str, provider: str = "") -> int:
    """Decimals of an amount in this currency: by ISO 4217, or as the named provider counts in its API."""
    code = currency.upper()
    own = PROVIDER_DECIMALS.get(provider, {})
    return own.get(code, ISO_DECIMALS.get(code, DEFAULT_DECIMALS))


def to_major_units(amount: int, currency: str) -> Decimal:
    """An amount in minor units as a decimal in major units: 4900 EUR is 49.00."""
    return Decimal(amount).scaleb(-currency_decimals(currency))


def to_minor_units(amount: Decimal, currency: str) -> Decimal:
    """An amount as people count, in minor units: 49.00 EUR is 4900, 49.005 EUR stays a fraction, 4900.5."""
    return amount.scaleb(currency_decimals(currency))


def rescale_amount(amount: int, given: int, wanted: int) -> int:
    """An amount with `given` decimals, converted to `wanted` decimals. Rounded up, so that an open amount never
    becomes zero.
    """
    step = int(10 ** abs(wanted - given))
    return amount * step if wanted >= given else -(-amount // step)


def units_field(provider: str, currency: str) -> dict[str, str]:
    """The `units` of a new row, only for currencies whose older rows of this provider hold other decimals; else empty.

    Other rows stay as they always were, byte for byte, since rows are hashed.
    """
    return {"units": MINOR_UNITS_MARK} if currency.upper() in _LEGACY_DECIMALS.get(provider, {}) else {}


def upgrade_amount(data: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """The row's data with `amount` in minor units of ISO 4217, whichever release wrote it. Idempotent."""
    amount, currency = data.get("amount"), str(data.get("currency") or "").upper()
    old = _LEGACY_DECIMALS.get(provider, {}).get(currency)
    if old is None or not isinstance(amount, int) or data.get("units") == MINOR_UNITS_MARK:
        return data
    return {**data, "amount": rescale_amount(amount, old, currency_decimals(currency)), "units": MINOR_UNITS_MARK}
