"""Reads attributes of the official client's untyped objects, and converts Braintree's amounts.

Braintree sends and expects amounts as decimal texts in major units, with the decimals of ISO 4217, and so needs no
table of its own. Source: developer.paypal.com/braintree/docs/reference/request/transaction/sale ("amount").
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.ids import find_id_problem
from core.money import to_major_units, to_minor_units


def to_minor(amount: Decimal, currency: str) -> int | None:
    """The amount in minor units; None if it is negative, has more decimals than the currency, or 16 digits or more."""
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 15:
        return None
    scaled = to_minor_units(amount, currency)
    return int(scaled) if scaled == int(scaled) else None


def to_amount_text(minor: int, currency: str) -> str:
    """Minor units as the decimal text that Braintree's API expects, e.g. `20.00`."""
    return f"{to_major_units(minor, currency):f}"


ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
WORD: Final = re.compile(r"[\x21-\x7e]{1,100}")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def attribute(thing: Any, name: str) -> Any:
    """An attribute of any type, or None."""
    return getattr(thing, name, None)


def text_attribute(thing: Any, name: str, shape: re.Pattern[str]) -> str | None:
    """An attribute that is a text of this shape, or None."""
    value = attribute(thing, name)
    return value if isinstance(value, str) and shape.fullmatch(value) else None


def list_attribute(thing: Any, name: str) -> list[Any]:
    """An attribute that is a list, or an empty one."""
    value = attribute(thing, name)
    return value if isinstance(value, list) else []


def currency_of(thing: Any) -> str | None:
    """The object's `currency_iso_code` in upper case, or None."""
    found = text_attribute(thing, "currency_iso_code", _CURRENCY)
    return found.upper() if found else None


def minor_units(told: Any, code: str | None) -> int | None:
    """A Decimal or decimal text in minor units of the currency, with two decimals if none is given; None if invalid."""
    try:
        amount = Decimal(told) if isinstance(told, Decimal | str) else None
    except InvalidOperation:
        return None
    return to_minor(amount, code or "USD") if amount is not None else None


def to_utc(told: Any) -> datetime | None:
    """An aware datetime in UTC; the client's own times are in UTC without saying so. None if it isn't one."""
    if not isinstance(told, datetime):
        return None
    try:
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except OverflowError:
        return None


def to_date(told: Any) -> date | None:
    """The date of a datetime, date or ISO text; None for anything else."""
    if isinstance(told, datetime):
        return told.date()
    if isinstance(told, date):
        return told
    try:
        return date.fromisoformat(told[:10]) if isinstance(told, str) else None
    except ValueError:
        return None


_PATH_STEPS: Final = frozenset({".", ".."})
"""Ids that would change the path of a URL, even percent-encoded."""


def order_id_fault(order_id: str) -> str | None:
    """Why this order id can't name an invoice; None if it can, in any script and with spaces at its ends."""
    return find_id_problem(order_id) or ("it is a step in a path" if order_id in _PATH_STEPS else None)
