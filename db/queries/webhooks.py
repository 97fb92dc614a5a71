"""The webhook inbox for people: a filtered list, newest first, and one webhook with its body."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select, tuple_

from core.base import Value
from db import chain, cursors
from db.models import webhook_inbox as table
from db.repositories.inbox import WebhookOutcome
from db.session import Session

LISTED_COLUMNS: Final = [column for column in table.columns if column.name not in {"body", "event"}]
WEBHOOK_ORDER: Final = (table.c.received_at, table.c.provider, table.c.event_id)


class WebhookFilters(Value):
    """Filters of the list; None does not filter."""

    provider: str | None = None
    outcome: WebhookOutcome | None = None
    event_type: str | None = None
    recovery_id: str | None = None
    undelivered: bool = False
    """Only webhooks that are not delivered yet."""
    q: str | None = None
    """The complete id of an event or an invoice."""
    received_from: datetime | None = None
    received_to: datetime | None = None
    """Not included."""


class WebhookPage(Value):
    """One page of rows without their bodies, newest first. `next_cursor` is None on the last page."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


async def search_webhooks(
    session: Session, filters: WebhookFilters, limit: int = 50, cursor: str | None = None
) -> WebhookPage:
    """One page of webhooks. Raises InvalidInput for a cursor that this function did not return."""
    query = (
        select(*LISTED_COLUMNS)
        .where(*_filter_conditions(filters))
        .order_by(*(one.desc() for one in WEBHOOK_ORDER))
        .limit(limit + 1)
    )
    if filters.q:
        query = query.where(_has_id(filters.q, await list_providers(session)))
    if cursor:
        query = query.where(cursors.behind_cursor(cursor, *WEBHOOK_ORDER))
    rows = [dict(row) for row in (await session.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.encode_cursor(*(last[column.name] for column in WEBHOOK_ORDER)) if last else None
    return WebhookPage(items=tuple(rows[:limit]), next_cursor=following)


async def load_webhook_row(session: Session, provider: str, event_id: str) -> dict[str, Any] | None:
    """All columns of a webhook by name, `body` as received (empty after erasure); None if it was never received."""
    wanted = (table.c.provider == provider, table.c.event_id == chain.replace_unstorable(event_id))
    found = (await session.execute(select(table).where(*wanted))).mappings().one_or_none()
    return dict(found) if found else None


async def list_event_types(session: Session) -> list[str]:
    """The event types that were received, sorted."""
    return await _distinct_values(session, table.c.event_type)


async def list_providers(session: Session) -> list[str]:
    """The providers that webhooks were received from, sorted."""
    return await _distinct_values(session, table.c.provider)


async def _distinct_values(session: Session, column: ColumnElement[str]) -> list[str]:
    """The distinct values of a column, sorted."""
    # One index look-up per value, in one statement; SELECT DISTINCT would read the whole inbox.
    found = select(select(column.label("value")).order_by(column).limit(1).subquery()).cte("found", recursive=True)
    step = select(column).where(column > found.c.value).order_by(column).limit(1).scalar_subquery()
    every = found.union_all(select(step).where(found.c.value.is_not(None)))
    values = select(every.c.value).where(every.c.value.is_not(None))
    return [*(await session.execute(values)).scalars()]


def _has_id(q: str, known: list[str]) -> ColumnElement[bool]:
    """The condition for webhooks with this event id or invoice id."""
    # A union of two index look-ups in a subquery, since an OR would use neither index. Both begin with the provider,
    # so that the known providers are named.
    name, own = tuple_(table.c.provider, table.c.event_id), table.alias("found")
    found = select(own.c.provider, own.c.event_id).where(own.c.provider.in_(known))
    wanted = chain.replace_unstorable(q)
    return name.in_(found.where(own.c.event_id == wanted).union(found.where(own.c.invoice_id == wanted)))


def _filter_conditions(filters: WebhookFilters) -> Iterator[ColumnElement[bool]]:
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
