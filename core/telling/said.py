"""Reading a row's `data` without trusting it: what is missing or not of its kind is simply not told.

Rows are for ever; other releases wrote them and will read them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.events import moment
from core.events.data import StoredObject


class Said:
    """The data of a row, or of an object in it."""

    def __init__(self, data: Any) -> None:
        found = data.stored if isinstance(data, StoredObject) else data
        self._data: Mapping[str, Any] = found if isinstance(found, Mapping) else {}

    def text(self, name: str) -> str:
        """Empty where there is none."""
        found = self._data.get(name)
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> int | None:
        """A whole number."""
        found = self._data.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def yes(self, name: str) -> bool:
        """Whether it says so."""
        return self._data.get(name) is True

    def moment(self, name: str) -> datetime | None:
        """A time as `core.events.stamp` writes it."""
        try:
            return moment(self.text(name))
        except (ValueError, OverflowError):
            return None

    def texts(self, name: str) -> tuple[str, ...]:
        """The sentences of a list."""
        found = self._data.get(name)
        return tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list | tuple) else ()

    def inner(self, name: str) -> "Said":
        """An object in it."""
        return Said(self._data.get(name))

    def __bool__(self) -> bool:
        return bool(self._data)
