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


class Named(Value):
    """A name as programs spell it, to be shown as people write it: `fixed_ladder`."""

    name: str


class Amount(Value):
    """Money, in minor units of its currency."""

    minor: int
    currency: str


class At(Value):
    """A moment."""

    at: datetime


class Lasting(Value):
    """A length of time."""

    seconds: int


Shown = str | Code | Named | Amount | At | Lasting


class Fact(Value):
    """Something known, under a label in plain words."""

    label: str
    shown: Shown


class Telling(Value):
    """One thing that happened, told."""

    headline: str
    """A few plain words, without a full stop."""
    why: str = ""
    """One sentence, where there is something to explain."""
    facts: tuple[Fact, ...] = ()
    rejected: tuple[str, ...] = ()
    """Alternatives, and what spoke against them."""
    mood: Mood = Mood.PLAIN


def facts(*known: tuple[str, Shown | None]) -> tuple[Fact, ...]:
    """Those that are known, in this order."""
    return tuple(Fact(label=label, shown=shown) for label, shown in known if shown not in (None, ""))


def code(text: str | None) -> Code | None:
    """None where there is none."""
    return Code(text=text) if text else None


def named(name: str | None) -> Named | None:
    """None where there is none."""
    return Named(name=name) if name else None


def at(moment: datetime | None) -> At | None:
    """None where there is none."""
    return At(at=moment) if moment else None


def lasting(seconds: int | None) -> Lasting | None:
    """None where there is none."""
    return Lasting(seconds=seconds) if seconds else None


def amount(minor: int | None, currency: str | None) -> Amount | None:
    """None where there is none."""
    return Amount(minor=minor, currency=currency or "") if minor is not None else None


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end, whoever wrote it; names in capitals stay."""
    text = " ".join(text.split())
    if not text:
        return ""
    begun = text if text[:2].isupper() else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def joined(parts: Iterable[str | None]) -> str:
    """The known ones, with commas."""
    return ", ".join(part for part in parts if part)
