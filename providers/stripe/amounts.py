"""Stripe's minor units and those of ISO 4217: for three currencies they differ (`core.money.PROVIDER_DECIMALS`)."""

import re
from typing import Any, Final

from core.money import PROVIDER_DECIMALS, currency_decimals, rescale_amount

_SNAKE_CASE: Final = re.compile(r"[a-z_]{1,100}")
_AMOUNT_WORDS: Final = frozenset({"amount", "total", "subtotal", "balance"})

_OTHER_CODES: Final = tuple(code.lower().encode() for code in PROVIDER_DECIMALS["stripe"])
_NESTED: Final = (dict, list)
_MAX_DEPTH: Final = 24
"""Levels of nesting that are converted; Stripe's objects have ten at most, and deeper JSON is no object of Stripe's."""


def stripe_decimals(currency: str) -> int:
    """How many decimals an amount of this currency has in Stripe's API."""
    return currency_decimals(currency, "stripe")


def to_iso_amounts(body: Any) -> Any:
    """An object of Stripe's API with all its amounts in minor units of ISO 4217; the same object if nothing changes.

    Whole answers and events are converted at once, so that no reader of a field can forget it. An object without a
    currency counts in that of the object around it. Source: docs.stripe.com/currencies, "Special cases".
    """
    return _convert_value(body, "", _MAX_DEPTH) if _has_other_decimals(body) else body


def may_have_other_decimals(text: bytes) -> bool:
    """Whether JSON text may name a currency that Stripe counts otherwise; False only if it certainly doesn't."""
    # An escape or a letter beyond ASCII could spell one (the capital of a dotless i is I).
    if b"\\u" in text or not text.isascii():
        return True
    small = text.lower()
    return any(code in small for code in _OTHER_CODES)


def _has_other_decimals(body: Any) -> bool:
    """Whether anything in it is in a currency that Stripe counts otherwise; little is, and conversion takes longer."""
    left: list[Any] = [[body]]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            named = found.get("currency")
            if isinstance(named, str) and named.upper() in PROVIDER_DECIMALS["stripe"]:
                return True
            found = found.values()
        left += [one for one in found if isinstance(one, _NESTED)]
    return False


def _convert_value(found: Any, around: str, left: int) -> Any:
    if isinstance(found, list) and left:
        return _reuse_unchanged([_convert_value(one, around, left - 1) for one in found], found)
    if not isinstance(found, dict) or not left:
        return found
    named = found.get("currency")
    currency = named.upper() if isinstance(named, str) else around
    return _reuse_unchanged({name: _convert_field(name, value, currency, left) for name, value in found.items()}, found)


def _convert_field(name: str, value: Any, currency: str, left: int) -> Any:
    if type(value) is int and currency in PROVIDER_DECIMALS["stripe"] and _is_amount(name):
        return rescale_amount(value, stripe_decimals(currency), currency_decimals(currency))
    return _convert_value(value, currency, left - 1)


def _is_amount(name: str) -> bool:
    """Whether it names an amount, such as amount_due or starting_balance, but not a count such as total_count."""
    # Split into words: a pattern for the whole name takes quadratic time for a name of thousands of words.
    if not _SNAKE_CASE.fullmatch(name):
        return False
    words = name.split("_")
    return all(words) and words[-1] != "count" and not _AMOUNT_WORDS.isdisjoint(words)


def _reuse_unchanged(made: Any, found: Any) -> Any:
    """The original if conversion changed nothing, as in most answers: no copy is kept then."""
    return found if made == found else made
