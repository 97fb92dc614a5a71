"""Search for cards: those charged last, and a card by the beginning of its fingerprint."""

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, exists, select, tuple_

from core.base import Value
from db import cursors
from db.models import network_attempt as table
from db.session import Session

CARD_ORDER: Final = (table.c.at, table.c.recovery_id, table.c.key)


class CardTry(Value):
    """A card of a provider with its newest attempt, which a rule may have forbidden. Amount in minor units."""

    provider: str
    fingerprint: str
    network: str | None
    at: datetime
    recovery_id: str
    key: str
    trigger: str
    outcome: str
    code: str | None
    amount: int
    currency: str


class CardPage(Value):
    """One page of cards, the one charged last first. `next_cursor` is None on the last page."""

    items: tuple[CardTry, ...]
    next_cursor: str | None


async def search_cards(
    session: Session,
    q: str | None = None,
    provider: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> CardPage:
    """One page of cards; `q` is the beginning of a fingerprint.

    Raises InvalidInput for a cursor that this function did not return.
    """
    query = select(*(table.c[name] for name in CardTry.model_fields)).where(*_newest_of_card())
    if q:
        query = query.where(table.c.fingerprint.startswith(q, autoescape=True))
    if provider:
        query = query.where(table.c.provider == provider)
    if cursor:
        query = query.where(cursors.behind_cursor(cursor, *CARD_ORDER))
    found = await session.execute(query.order_by(*(one.desc() for one in CARD_ORDER)).limit(limit + 1))
    cards = [CardTry.model_validate(dict(row)) for row in found.mappings()]
    last = cards[limit - 1] if len(cards) > limit else None
    following = cursors.encode_cursor(last.at, last.recovery_id, last.key) if last else None
    return CardPage(items=tuple(cards[:limit]), next_cursor=following)


def _newest_of_card() -> tuple[ColumnElement[bool], ...]:
    """Conditions for the newest attempt of each card."""
    # NOT EXISTS instead of DISTINCT ON: PostgreSQL walks the newest attempts by index, checks each, and stops when the
    # page is full, instead of sorting all attempts.
    later = table.alias("later")
    same = (later.c.provider == table.c.provider, later.c.fingerprint == table.c.fingerprint)
    after = tuple_(later.c.at, later.c.recovery_id, later.c.key) > tuple_(*CARD_ORDER)
    return table.c.fingerprint.is_not(None), ~exists().where(*same, later.c.at >= table.c.at, after)
