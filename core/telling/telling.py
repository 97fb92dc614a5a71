"""What is told of one thing that happened: a headline, why, facts, and the alternatives that were not taken."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from core.base import Value


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
