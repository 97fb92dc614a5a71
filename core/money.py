"""Amounts: what a minor unit is, and how an amount is written where no locale is at hand.

Our own minor units are those of ISO 4217, in the log, in messages, in tables and in the API. A provider that counts
otherwise converts at its border (`minor.py` in its folder), so that amounts of several providers can be added up.
Source: ISO 4217 list one, as published by SIX (amendment 177).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_NONE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"}
    | {"UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_FOUR: Final = frozenset({"CLF", "UYW"})
_OLD_ROWS: Final[Mapping[str, Mapping[str, int]]] = {"stripe": {"ISK": 2, "UGX": 2, "MGA": 0}}
"""In which decimals rows hold amounts that were written before Stripe's were converted; see `modern`."""
UNITS: Final = "iso4217"
"""What a row says under `units` where another release may have written the amount otherwise."""


def decimals(currency: str) -> int:
    """How many decimals the amounts of this currency have."""
    code = currency.upper()
    if code in _FOUR:
        return 4
    return 0 if code in _NONE else 3 if code in _THREE else 2


def major(amount: int, currency: str) -> Decimal:
    """An amount in minor units as people count: 4900 EUR is 49.00."""
    return Decimal(amount).scaleb(-decimals(currency))


def text(amount: int, currency: str) -> str:
    """An amount in minor units as plain text: 1,234.00 EUR, 5,000 UGX; the bare number where no currency is known."""
    return f"{major(amount, currency):,} {currency.upper()}" if currency else f"{amount:,}"


def rescaled(amount: int, given: int, wanted: int) -> int:
    """An amount with `given` decimals in one with `wanted`. What doesn't come out even is rounded up: what is open
    never becomes nothing.
    """
    step = int(10 ** abs(wanted - given))
    return amount * step if wanted >= given else -(-amount // step)


def units(provider: str, currency: str) -> dict[str, str]:
    """What a new row says of its amount: only where older rows of this provider may hold the same otherwise."""
    return {"units": UNITS} if currency.upper() in _OLD_ROWS.get(provider, {}) else {}


def modern(data: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """The data of a row with its `amount` in minor units, whichever release wrote it. Twice is as good as once."""
    amount, currency = data.get("amount"), str(data.get("currency") or "").upper()
    old = _OLD_ROWS.get(provider, {}).get(currency)
    if old is None or not isinstance(amount, int) or data.get("units") == UNITS:
        return data
    return {**data, "amount": rescaled(amount, old, decimals(currency)), "units": UNITS}
