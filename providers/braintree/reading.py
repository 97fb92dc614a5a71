"""Reading the client's objects, of which nothing is typed: a part is what it should be, or None."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from providers.braintree.minor import to_minor

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
WORD: Final = re.compile(r"[\x21-\x7e]{1,100}")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def attribute(thing: Any, name: str) -> Any:
    """An attribute, or None."""
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
    """Its `currency_iso_code` in upper case."""
    found = text_attribute(thing, "currency_iso_code", _CURRENCY)
    return found.upper() if found else None


def minor_units(told: Any, code: str | None) -> int | None:
    """A decimal amount, also as text, in minor units of the currency; without one, of one that has cents."""
    try:
        amount = Decimal(told) if isinstance(told, Decimal | str) else None
    except InvalidOperation:
        return None
    return to_minor(amount, code or "USD") if amount is not None else None


def to_utc(told: Any) -> datetime | None:
    """The client's times are in UTC and say nothing of it."""
    if not isinstance(told, datetime):
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def to_date(told: Any) -> date | None:
    """A date, or a text that is one."""
    if isinstance(told, datetime):
        return told.date()
    if isinstance(told, date):
        return told
    try:
        return date.fromisoformat(told[:10]) if isinstance(told, str) else None
    except ValueError:
        return None
