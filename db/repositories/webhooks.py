"""The inbox as people look at it: newest first, narrowed, and one webhook with its bytes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select, tuple_

from core.base import Value
from db import chain, cursors
from db.models import webhook_inbox as table
from db.repositories.inbox import Outcome
from db.session import Session

LISTED: Final = [column for column in table.columns if column.name not in {"body", "event"}]
PLACE: Final = (table.c.received_at, table.c.provider, table.c.event_id)


class WebhookFilters(Value):
    """What the list is narrowed to; left out: not by this."""

    provider: str | None = None
    outcome: Outcome | None = None
    event_type: str | None = None
    recovery_id: str | None = None
    undelivered: bool = False
    """Only those that still wait to be delivered."""
    q: str | None = None
    """The whole id of an event or an invoice."""
    received_from: datetime | None = None
    received_to: datetime | None = None
    """Not included."""


class WebhookPage(Value):
    """Some rows without their bodies, newest first, and how to ask for the ones behind them (None: there are none)."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


async def find(session: Session, filters: WebhookFilters, limit: int = 50, cursor: str | None = None) -> WebhookPage:
    """One page. Raises InvalidInput for a cursor that this never gave."""
    query = select(*LISTED).where(*_conditions(filters)).order_by(*(one.desc() for one in PLACE)).limit(limit + 1)
    if filters.q:
        query = query.where(_with_id(filters.q, await providers(session)))
    if cursor:
        query = query.where(cursors.behind(cursor, *PLACE))
    rows = [dict(row) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.cursor(*(last[column.name] for column in PLACE)) if last else None
    return WebhookPage(items=tuple(rows[:limit]), next_cursor=following)


async def one(session: Session, provider: str, event_id: str) -> dict[str, Any] | None:
    """Every column, `body` as it came (empty once erased); None when this event never came."""
    wanted = (table.c.provider == provider, table.c.event_id == chain.clean(event_id))
    found = (await session.execute(select(table).where(*wanted))).mappings().one_or_none()
    return dict(found) if found else None


async def event_types(session: Session) -> list[str]:
    """The types that have come, by name."""
    return await _distinct(session, table.c.event_type)


async def providers(session: Session) -> list[str]:
    """The providers that have sent something, by name."""
    return await _distinct(session, table.c.provider)


async def _distinct(session: Session, column: ColumnElement[str]) -> list[str]:
    """Its values in order, found by jumping along an index."""
    found: list[str] = []
    step = select(column).order_by(column).limit(1)
    while following := await session.scalar(step.where(column > found[-1]) if found else step):
        found.append(following)
    return found


def _with_id(q: str, known: list[str]) -> ColumnElement[bool]:
    """Looked up first, each by its index, which begins with the provider."""
    name, own = tuple_(table.c.provider, table.c.event_id), table.alias("found")
    found = select(own.c.provider, own.c.event_id).where(own.c.provider.in_(known))
    wanted = chain.clean(q)
    return name.in_(found.where(own.c.event_id == wanted).union(found.where(own.c.invoice_id == wanted)))


def _conditions(filters: WebhookFilters) -> Iterator[ColumnElement[bool]]:
    for name in ("provider", "event_type", "recovery_id"):
        if (wanted := getattr(filters, name)) is not None:
            yield table.c[name] == wanted
    if filters.outcome:
        yield table.c.outcome == filters.outcome.value
    if filters.undelivered:
        yield table.c.delivered_at.is_(None)
    if filters.received_from is not None:
        yield table.c.received_at >= filters.received_from
    if filters.received_to is not None:
        yield table.c.received_at < filters.received_to
