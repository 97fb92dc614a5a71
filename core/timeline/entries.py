"""What a timeline entry is made of: a headline, a reason and typed facts, which each surface renders in its own way."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from core.base import Value


class Mood(StrEnum):
    """How an entry is coloured: good, bad or warning news, something in progress, or neither."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    BUSY = "busy"
    PLAIN = "plain"


class Code(Value):
    """An identifier of a program, shown as it is: an id, a key, a code."""

    text: str


class Label(Value):
    """A name such as `fixed_ladder`, shown in plain words."""

    name: str


class Amount(Value):
    """An amount of money in minor units of its currency."""

    minor: int
    currency: str


class Moment(Value):
    """A moment in UTC."""

    at: datetime


class Duration(Value):
    """A length of time in seconds."""

    seconds: int


FactValue = str | Code | Label | Amount | Moment | Duration


class Fact(Value):
    """One value with its label."""

    label: str
    value: FactValue


class EventDescription(Value):
    """The description of one row."""

    headline: str
    """A few plain words, without a full stop."""
    why: str = ""
    """One or two sentences, or empty."""
    facts: tuple[Fact, ...] = ()
    rejected: tuple[str, ...] = ()
    """Rejected alternatives, each with its reason."""
    mood: Mood = Mood.PLAIN


def known_facts(*known: tuple[str, FactValue | None]) -> tuple[Fact, ...]:
    """The facts whose value is known, in the given order."""
    return tuple(Fact(label=label, value=shown) for label, shown in known if shown not in (None, ""))


def code_value(text: str | None) -> Code | None:
    """The text as a code; None if it is None or empty."""
    return Code(text=text) if text else None


def label_value(name: str | None) -> Label | None:
    """The name as a label; None if it is None or empty."""
    return Label(name=name) if name else None


def moment_value(moment: datetime | None) -> Moment | None:
    """The time as a moment; None if it is None."""
    return Moment(at=moment) if moment else None


def duration_value(seconds: int | None) -> Duration | None:
    """The seconds as a duration; None if they are None or 0."""
    return Duration(seconds=seconds) if seconds else None


def amount_value(minor: int | None, currency: str | None) -> Amount | None:
    """The minor units as an amount; None if they are None."""
    return Amount(minor=minor, currency=currency or "") if minor is not None else None


def to_sentence(text: str) -> str:
    """The text as a sentence: one space between words, a capital first letter, a full stop if it has no end mark."""
    text = " ".join(text.split())
    if not text:
        return ""
    begun = text if text[:2].isupper() else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def join_parts(parts: Iterable[str | None]) -> str:
    """The parts that are neither None nor empty, joined with commas."""
    return ", ".join(part for part in parts if part)
