"""Reading a row's `data` without trusting it: what is missing or not of its kind is simply not told.

Rows are for ever; other releases wrote them and will read them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.base import Value
from core.events import parse_timestamp
from core.events.data import StoredObject


class TolerantData:
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

    def read_object(self, name: str) -> "TolerantData":
        """An object in it."""
        return TolerantData(self._data.get(name))

    def __bool__(self) -> bool:
        return bool(self._data)


class Mood(StrEnum):
    """How a thing that happened is to be taken."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    BUSY = "busy"
    PLAIN = "plain"


class Code(Value):
    """Something that belongs to a program: an id, a key, a code."""

    text: str


class Label(Value):
    """A name as programs spell it, to be shown as people write it: `fixed_ladder`."""

    name: str


class Amount(Value):
    """Money, in minor units of its currency."""

    minor: int
    currency: str


class Moment(Value):
    """A moment."""

    at: datetime


class Duration(Value):
    """A length of time."""

    seconds: int


FactValue = str | Code | Label | Amount | Moment | Duration


class Fact(Value):
    """Something known, under a label in plain words."""

    label: str
    value: FactValue


class EventDescription(Value):
    """One thing that happened, told."""

    headline: str
    """A few plain words, without a full stop."""
    why: str = ""
    """One sentence, where there is something to explain."""
    facts: tuple[Fact, ...] = ()
    rejected: tuple[str, ...] = ()
    """Alternatives, and what spoke against them."""
    mood: Mood = Mood.PLAIN


def known_facts(*known: tuple[str, FactValue | None]) -> tuple[Fact, ...]:
    """Those that are known, in this order."""
    return tuple(Fact(label=label, value=shown) for label, shown in known if shown not in (None, ""))


def code_value(text: str | None) -> Code | None:
    """None where there is none."""
    return Code(text=text) if text else None


def label_value(name: str | None) -> Label | None:
    """None where there is none."""
    return Label(name=name) if name else None


def moment_value(moment: datetime | None) -> Moment | None:
    """None where there is none."""
    return Moment(at=moment) if moment else None


def duration_value(seconds: int | None) -> Duration | None:
    """None where there is none."""
    return Duration(seconds=seconds) if seconds else None


def amount_value(minor: int | None, currency: str | None) -> Amount | None:
    """None where there is none."""
    return Amount(minor=minor, currency=currency or "") if minor is not None else None


def to_sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end, whoever wrote it; names in capitals stay."""
    text = " ".join(text.split())
    if not text:
        return ""
    begun = text if text[:2].isupper() else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def join_parts(parts: Iterable[str | None]) -> str:
    """The known ones, with commas."""
    return ", ".join(part for part in parts if part)
