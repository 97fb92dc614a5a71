"""Reading a row's `data` without trusting it: what is missing or not of its kind is simply not told.

Rows are for ever; other releases wrote them and will read them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.events import parse_timestamp
from core.events.data import StoredObject


class EventData:
    """The data of a row, or of an object in it."""

    def __init__(self, data: Any) -> None:
        found = data.stored if isinstance(data, StoredObject) else data
        self._data: Mapping[str, Any] = found if isinstance(found, Mapping) else {}

    def read_text(self, name: str) -> str:
        """Empty where there is none."""
        found = self._data.get(name)
        return found if isinstance(found, str) else ""

    def read_number(self, name: str) -> int | None:
        """A whole number."""
        found = self._data.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def is_true(self, name: str) -> bool:
        """Whether it says so."""
        return self._data.get(name) is True

    def read_moment(self, name: str) -> datetime | None:
        """A time as `core.events.stamp` writes it."""
        try:
            return parse_timestamp(self.read_text(name))
        except (ValueError, OverflowError):
            return None

    def read_texts(self, name: str) -> tuple[str, ...]:
        """The sentences of a list."""
        found = self._data.get(name)
        return tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list | tuple) else ()

    def read_object(self, name: str) -> "EventData":
        """An object in it."""
        return EventData(self._data.get(name))

    def __bool__(self) -> bool:
        return bool(self._data)
