"""Reads the JSON of providers field by field: a value has the documented form, is absent, or raises InvalidField.

Texts are limited to printable ASCII of bounded length: they end in columns, workflow ids and URLs, and a provider's
ids and codes are never anything else. A merchant's own references may hold any script; `reference` reads those.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from pydantic_core import from_json

from core.errors import InvalidInput
from core.ids import find_id_problem

T = TypeVar("T")

_ID: Final = re.compile(r"[A-Za-z0-9][\x21-\x7e]{0,199}")
_CODE: Final = re.compile(r"[\x21-\x7e]{1,100}")
_WORDS: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")
LARGEST: Final = 2**63 - 1
"""The largest value of a PostgreSQL bigint column."""
_LAST_SECOND: Final = 32_503_679_999
"""The end of the year 2999: a later time is no payment's, and sums with it leave Python's calendar (year 9999)."""


class InvalidField(InvalidInput):
    """A field that doesn't have the form that the provider documents; `field` is its dotted path."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The field {field} is not what it should be.")
        self.field = field


@dataclass(frozen=True)
class Fields:
    """One JSON object. Every reader returns None for an absent field and raises InvalidField for an invalid one.

    A lenient object returns None for both. It is for answers of which any readable part is useful, an error body say.
    """

    raw: Mapping[str, Any]
    path: str = ""
    lenient: bool = False

    def __bool__(self) -> bool:
        return bool(self.raw)

    def leniently(self) -> "Fields":
        """The same object, lenient."""
        return self if self.lenient else replace(self, lenient=True)

    def code(self, name: str) -> str | None:
        """A text of at most 100 characters without spaces, such as a status or an error code."""
        return self._matching_text(name, self.raw.get(name), _CODE)

    def text(self, name: str) -> str | None:
        """A text of at most 200 characters that may hold spaces, such as a reason."""
        return self._matching_text(name, self.raw.get(name), _WORDS)

    def reference(self, name: str) -> str | None:
        """A merchant's own name for something, unchanged: any script, spaces at its ends included."""
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        return self._checked_value(name, value, isinstance(value, str) and find_id_problem(value) is None)

    def id(self, name: str) -> str | None:
        """An id; if the provider sent the whole object in its place, the object's `id`."""
        value = self.raw.get(name)
        return self._matching_text(name, value.get("id") if isinstance(value, Mapping) else value, _ID)

    def require_id(self, name: str) -> str:
        """An id that must be there. Raises InvalidField if it isn't, even on a lenient object."""
        found = self.id(name)
        if found is None:
            raise InvalidField(self.path + name)
        return found

    def currency(self, name: str) -> str | None:
        """An ISO 4217 code in upper case."""
        found = self._matching_text(name, self.raw.get(name), _CURRENCY)
        return found.upper() if found else None

    def integer(self, name: str) -> int | None:
        """A whole number from 0 to the largest that a bigint column can hold."""
        value = self.raw.get(name)
        # Not isinstance: JSON's true is an int to Python.
        fits = value is None or (type(value) is int and 0 <= value <= LARGEST)
        return self._checked_value(name, value, fits)

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.raw.get(name)
        return self._checked_value(name, value, value is None or isinstance(value, bool))

    def unix_time(self, name: str) -> datetime | None:
        """A time given in whole seconds since 1970, as an aware datetime in UTC."""
        seconds = self.integer(name)
        known = self._checked_value(name, seconds, seconds is None or seconds <= _LAST_SECOND)
        return None if known is None else datetime.fromtimestamp(known, UTC)

    def child(self, name: str) -> "Fields":
        """An object inside; an empty one where there is none."""
        value: Any = self.raw.get(name)
        kept: Any = self._checked_value(name, value, value is None or isinstance(value, Mapping))
        return self._child_fields(name, kept or {})

    def expanded_object(self, name: str) -> "Fields":
        """The object in place of an id, where the provider sent it; an empty one where it sent the id."""
        value = self.raw.get(name)
        return self._child_fields(name, value if isinstance(value, Mapping) else {})

    def items(self, name: str) -> tuple["Fields", ...]:
        """The objects of a list, which may stand in a list envelope `{"data": […]}`; empty if there is none."""
        value = self.raw.get(name)
        found = value.get("data") if isinstance(value, Mapping) else value
        fits = found is None or (isinstance(found, list) and all(isinstance(item, Mapping) for item in found))
        kept = self._checked_value(name, found, fits) or ()
        return tuple(self._child_fields(f"{name}[{at}]", item) for at, item in enumerate(kept))

    def _child_fields(self, name: str, raw: Mapping[str, Any]) -> "Fields":
        return Fields(raw, f"{self.path}{name}.", self.lenient)

    def _matching_text(self, name: str, value: Any, shape: re.Pattern[str]) -> str | None:
        """The text if it matches; an empty text counts as absent."""
        if value is None or value == "":
            return None
        return self._checked_value(name, value, isinstance(value, str) and shape.fullmatch(value) is not None)

    def _checked_value(self, name: str, value: T, fits: bool) -> T | None:
        if fits:
            return value
        if not self.lenient:
            raise InvalidField(self.path + name)
        return None


def parse_json_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body. Raises InvalidInput if it isn't UTF-8, JSON or an object."""
    try:
        found = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:  # rare; Python's parser also reads halves of surrogate pairs and deeper nesting
        found = _parse_leniently(body)
    if not isinstance(found, dict):
        raise InvalidInput("The body is JSON, but not an object.")
    return found


def _parse_leniently(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON.") from None


def _refuse_constant(constant: str) -> NoReturn:
    """Called for NaN and Infinity, which Python's parser accepts and JSON doesn't have."""
    raise ValueError(constant)
