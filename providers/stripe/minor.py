"""Stripe's minor units and those of ISO 4217: for three currencies they differ (`core.money.PROVIDER_DECIMALS`)."""

import re
from typing import Any, Final

from core.money import PROVIDER_DECIMALS, decimals, rescaled

_AMOUNT: Final = re.compile(r"(?:[a-z]+_)*(?:amount|total|subtotal|balance)(?:_[a-z]+)*(?<!_count)")
"""Fields that hold amounts: amount_due, amount_remaining, total_excluding_tax, starting_balance; no list's length."""

_DEEPEST: Final = 24
"""Levels of an object; Stripe's have ten at most, and somebody else's may have no end."""


def digits(currency: str) -> int:
    """How many decimals an amount of this currency has in Stripe's API."""
    return decimals(currency, "stripe")


def in_iso(body: Any) -> Any:
    """An object of Stripe's API with every amount in it in minor units of ISO 4217; the object itself where that
    changes nothing.

    Done once for all of an answer or event, so that no reader of a field can forget it. An object without a currency
    of its own counts in that of the object around it.
    """
    return _converted(body, "", _DEEPEST)


def _converted(found: Any, around: str, left: int) -> Any:
    if isinstance(found, list) and left:
        return _same([_converted(one, around, left - 1) for one in found], found)
    if not isinstance(found, dict) or not left:
        return found
    named = found.get("currency")
    currency = named.upper() if isinstance(named, str) else around
    return _same({name: _field(name, value, currency, left) for name, value in found.items()}, found)


def _field(name: str, value: Any, currency: str, left: int) -> Any:
    if type(value) is int and currency in PROVIDER_DECIMALS["stripe"] and _AMOUNT.fullmatch(name):
        return rescaled(value, digits(currency), decimals(currency))
    return _converted(value, currency, left - 1)


def _same(made: Any, found: Any) -> Any:
    """Most answers hold nothing to convert, and stay what they are."""
    return found if made == found else made
