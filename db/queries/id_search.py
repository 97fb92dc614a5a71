"""Searching a text in the ids of recoveries: at the beginning or the end by index, inside by reading."""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select

from db.models import recovery as table
from db.session import Session

IDS: Final = ("invoice_id", "customer_id")


class TextMatch(StrEnum):
    """Where in an id a text is searched."""

    BEGINNING = "beginning"
    END = "end"
    INSIDE = "inside"


async def find_text_match(session: Session, q: str | None) -> TextMatch:
    """How ids are searched for the text: at an end by which any can be found, else inside of them."""
    if not q:
        return TextMatch.BEGINNING
    matches = (TextMatch.BEGINNING, TextMatch.END)
    found = (await session.execute(select(*(_any_matches(q, match).label(match) for match in matches)))).one()
    return next((match for match, is_found in zip(matches, found, strict=True) if is_found), TextMatch.INSIDE)


def _any_matches(q: str, match: TextMatch) -> ColumnElement[bool]:
    # One look-up per index: an OR inside of one EXISTS would scan.
    return or_(*(select(table.c.recovery_id).where(one).exists() for one in indexed_conditions(q, match)))


def indexed_conditions(q: str, match: TextMatch) -> list[ColumnElement[bool]]:
    """The condition for each id, spelled as the index of its beginnings or ends has it."""
    folded = [func.lower(table.c[name]) for name in IDS]
    if match is TextMatch.BEGINNING:
        return [one.startswith(q.lower(), autoescape=True) for one in folded]
    return [func.reverse(one).startswith(q.lower()[::-1], autoescape=True) for one in folded]


def id_contains(q: str, columns: Any) -> ColumnElement[bool]:
    """The condition for ids with the text anywhere, without regard to case."""
    return or_(*(columns[name].icontains(q, autoescape=True) for name in IDS))
