"""The admin console's list of recoveries: many filters, four orders, pages in both directions; fast with millions.

Text is searched in three ways. If any invoice or customer id begins with it, these are the result, by index, however
old; else those that end with it. If none does, ids that contain it are searched among WINDOW recoveries at a time, in
the list's order: a page may then hold fewer rows, with a cursor to search on. PostgreSQL's trigram index would do
better, but its extension isn't available everywhere, and it would cost every write more than all other indexes
together.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, func, literal_column, or_, select, text

from core.base import Value
from core.classification.taxonomy import Category, Cause
from core.errors import InvalidInput
from core.events import State
from db import cursors
from db.models import recovery as table
from db.queries import id_search
from db.queries.id_search import TextMatch
from db.repositories.recoveries import fetch_rows, select_recoveries
from db.session import Session

WINDOW: Final = 500
"""Recoveries that one page searches for a text inside of ids: so many cost as little with ten million as with none."""
WIDE_WINDOW: Final = 20_000
"""Recoveries that a command to all matches searches for such a text: a person may wait for it."""
MOST_COUNTED: Final = 1_000
MOST_LISTED: Final = 10_000
BATCH: Final = 1_000
EXPORT_TIMEOUT: Final = text("SET LOCAL statement_timeout = '60s'")
# Custom plans: a generic plan would treat all states alike, but few recoveries are open and nearly all have ended. No
# sequential scans: with LIMIT the planner hopes to meet a match soon, and for rare values reads the whole table. Cheap
# random reads, as disks without heads and caches have them: else it walks the newest in stored order instead of the
# index of a state or cause, and what has ended is not among the newest.
OWN_PLANS: Final = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
           set_config('random_page_cost', '1.1', true)
""")


class Order(StrEnum):
    """Column that a list is ordered by."""

    OPENED = "opened_at"
    NEXT = "next_attempt_at"
    """Leaves out recoveries without a next attempt."""
    AMOUNT = "amount"
    UPDATED = "updated_at"


class Sort(Value):
    """Order and direction of a list; rows with equal values are ordered by recovery id."""

    by: Order = Order.OPENED
    descending: bool = True

    @property
    def opposite(self) -> "Sort":
        """The same order in the other direction."""
        return Sort(by=self.by, descending=not self.descending)


NEWEST: Final = Sort()


class RecoveryFilters(Value):
    """Filters of the list; None does not filter. Amounts in minor units; `…_from` is included, `…_to` is not."""

    states: tuple[State, ...] = ()
    cause: Cause | None = None
    category: Category | None = None
    segment: str | None = None
    provider: str | None = None
    strategy: str | None = None
    currency: str | None = None
    """Compared without case."""
    amount_min: int | None = None
    amount_max: int | None = None
    """Included."""
    next_attempt_from: datetime | None = None
    next_attempt_to: datetime | None = None
    opened_from: datetime | None = None
    opened_to: datetime | None = None
    customer_id: str | None = None
    experiment: str | None = None
    arm: str | None = None
    q: str | None = None
    """The beginning of an invoice or customer id; if none begins with it, the end; if none ends with it, a part."""


class RecoveryPage(Value):
    """One page of recoveries, with cursors for the pages before and after it; None if there are none."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None
    previous_cursor: str | None
    looked_through: int | None = None
    """Number of recoveries searched for `q` if the search stopped early; `next_cursor` continues after them."""


class MatchCount(Value):
    """Number of matches; `more` if there may be more than `count`."""

    count: int
    more: bool


async def search_recoveries(
    session: Session, filters: RecoveryFilters, sort: Sort = NEWEST, limit: int = 50, cursor: str | None = None
) -> RecoveryPage:
    """One page of matching recoveries. Raises InvalidInput for a cursor that was not returned for this order."""
    # A page backwards is read in the opposite order from the cursor on, and reversed at the end.
    back, place = _decode_place(cursor, sort) if cursor else (False, None)
    way = sort.opposite if back else sort
    match = await _plan_search(session, filters)
    inside = match is TextMatch.INSIDE
    query = _apply_order(_apply_filters(select_recoveries(), filters, sort, match), way, place)
    wanted = _matches_in_window(query.limit(WINDOW), filters.q or "", way) if inside else query
    rows = await fetch_rows(session, wanted.limit(limit + 1))
    more = len(rows) > limit
    edge = None if more or not inside else await _window_edge(session, query, way)
    return _build_page(rows[:limit], sort, back=back, before=bool(cursor), more=more, edge=edge)


async def count_matches(session: Session, filters: RecoveryFilters, most: int = MOST_COUNTED) -> MatchCount:
    """Number of matches, exact up to `most`; parts of ids are searched among the WINDOW newest only."""
    match = await _plan_search(session, filters)
    inside = match is TextMatch.INSIDE
    query = _apply_filters(
        select(table.c.opened_at, table.c.recovery_id, table.c.invoice_id, table.c.customer_id), filters, NEWEST, match
    )
    if inside:
        query = _apply_order(query, NEWEST, None)
        edge = await _window_edge(session, query, NEWEST)
        query = _matches_in_window(query.limit(WINDOW), filters.q or "", NEWEST)
    found = await session.scalar(select(func.count()).select_from(query.limit(most + 1).subquery())) or 0
    return MatchCount(count=min(found, most), more=found > most or (inside and edge is not None))


async def list_matches(session: Session, filters: RecoveryFilters, most: int = MOST_LISTED) -> list[dict[str, Any]]:
    """The matching recoveries, newest first, up to `most`: the columns named below, by name.

    Parts of ids are searched among the WIDE_WINDOW newest only.
    """
    match = await _plan_search(session, filters)
    inside = match is TextMatch.INSIDE
    columns = ("recovery_id", "provider", "invoice_id", "customer_id", "state", "amount", "currency", "opened_at")
    query = _apply_order(
        _apply_filters(select(*(table.c[name] for name in columns)), filters, NEWEST, match), NEWEST, None
    )
    if inside:
        query = _matches_in_window(query.limit(WIDE_WINDOW), filters.q or "", NEWEST)
    return await fetch_rows(session, query.limit(most))


async def stream_matches(
    session: Session, filters: RecoveryFilters, sort: Sort = NEWEST
) -> AsyncIterator[dict[str, Any]]:
    """Yields every match in order, as the API shows it, over a server-side cursor with BATCH rows in memory at a time.

    Parts of ids are searched in all recoveries. The transaction must stay open until the end, so the reader must not
    pause for longer than IDLE_SECONDS of `db.session`.
    """
    await session.execute(EXPORT_TIMEOUT)
    match = await _plan_search(session, filters)
    inside = match is TextMatch.INSIDE
    query = _apply_order(_apply_filters(select_recoveries(), filters, sort, match), sort, None)
    if inside:
        query = query.where(id_search.id_contains(filters.q or "", table.c))
    async with session.stream(query, execution_options={"yield_per": BATCH}) as found:
        async for row in found.mappings():
            yield dict(row)


async def _plan_search(session: Session, filters: RecoveryFilters) -> TextMatch:
    """Has this transaction's statements planned for their values; how the text is searched."""
    await session.execute(OWN_PLANS)
    return await id_search.find_text_match(session, filters.q)


def _apply_filters(query: Select[Any], filters: RecoveryFilters, sort: Sort, match: TextMatch) -> Select[Any]:
    query = query.where(*_filter_conditions(filters, sort))
    if filters.q and match is not TextMatch.INSIDE:
        query = query.where(or_(*id_search.indexed_conditions(filters.q, match)))
    return query.where(table.c.next_attempt_at.is_not(None)) if sort.by is Order.NEXT else query


def _filter_conditions(filters: RecoveryFilters, sort: Sort) -> Iterator[ColumnElement[bool]]:
    same = {"cause", "category", "segment", "provider", "strategy", "customer_id", "experiment", "arm"}
    for name, wanted in filters.model_dump(include=same, exclude_none=True).items():
        yield table.c[name] == wanted
    if filters.currency:
        yield func.upper(table.c.currency) == filters.currency.upper()
    yield from _state_conditions(filters.states, sort)
    yield from _range_conditions(filters)


def _state_conditions(states: tuple[State, ...], sort: Sort) -> Iterator[ColumnElement[bool]]:
    if not states:
        return
    wanted = sorted({state.value for state in states})
    if any(state.is_final for state in states) or (len(wanted) == 1 and sort.by is Order.OPENED):
        yield table.c.state == wanted[0] if len(wanted) == 1 else table.c.state.in_(wanted)
        return
    # Open recoveries are few, and PostgreSQL uses their small indexes only if the query says that they are not closed.
    # It takes that and the states for independent of each other and so expects far too few rows; not so if the query
    # names the open states that are not wanted.
    yield table.c.closed_at.is_(None)
    if other := sorted({state.value for state in State if not state.is_final} - {*wanted}):
        yield table.c.state.not_in(other)


def _range_conditions(filters: RecoveryFilters) -> Iterator[ColumnElement[bool]]:
    for column, least, most in (
        (table.c.next_attempt_at, filters.next_attempt_from, filters.next_attempt_to),
        (table.c.opened_at, filters.opened_from, filters.opened_to),
    ):
        if least is not None:
            yield column >= least
        if most is not None:
            yield column < most
    if filters.amount_min is not None:
        yield table.c.amount >= filters.amount_min
    if filters.amount_max is not None:
        yield table.c.amount <= filters.amount_max


def _apply_order(query: Select[Any], sort: Sort, place: tuple[Any, ...] | None) -> Select[Any]:
    columns = (table.c[sort.by], table.c.recovery_id)
    if place:
        query = query.where(cursors.beyond_place(place, columns, sort.descending))
    return query.order_by(*(one.desc() if sort.descending else one.asc() for one in columns))


def _matches_in_window(window: Select[Any], q: str, sort: Sort) -> Select[Any]:
    """The rows of the window with an id that contains the text, in the window's order."""
    # A subquery with LIMIT is not flattened, so the text is searched in the window only and not in the whole table.
    rows = window.subquery()
    order = (rows.c[sort.by], rows.c.recovery_id)
    query = select(*rows.c).where(id_search.id_contains(q, rows.c))
    return query.order_by(*(one.desc() if sort.descending else one.asc() for one in order))


async def _window_edge(session: Session, query: Select[Any], sort: Sort) -> tuple[Any, ...] | None:
    """Sort values of the last recovery in the window; None if the window holds all that are left."""
    last = query.with_only_columns(table.c[sort.by], table.c.recovery_id).limit(1).offset(WINDOW - 1)
    found = (await session.execute(last)).first()
    return tuple(found) if found else None


def _build_page(
    rows: list[dict[str, Any]], sort: Sort, *, back: bool, before: bool, more: bool, edge: tuple[Any, ...] | None
) -> RecoveryPage:
    """The page of rows in the order of reading; `before` if there is a page on the side that the cursor came from."""
    end = edge or (_row_place(rows[-1], sort) if rows else None)
    start = _row_place(rows[0], sort) if rows else edge
    ahead = _encode_place("back" if back else "on", sort, end) if end and (more or edge) else None
    behind = _encode_place("on" if back else "back", sort, start) if start and before else None
    return RecoveryPage(
        items=tuple(reversed(rows) if back else rows),
        next_cursor=behind if back else ahead,
        previous_cursor=ahead if back else behind,
        looked_through=WINDOW if edge else None,
    )


def _row_place(row: dict[str, Any], sort: Sort) -> tuple[Any, ...]:
    return row[sort.by], row["recovery_id"]


def _encode_place(way: str, sort: Sort, place: tuple[Any, ...]) -> str:
    return cursors.encode_cursor(way, sort.by.value, *place)


_WORD: Final[ColumnElement[str]] = literal_column("''", String())


def _decode_place(cursor: str, sort: Sort) -> tuple[bool, tuple[Any, ...]]:
    """Whether the cursor leads backwards, and its sort values. Raises InvalidInput."""
    way, by, *place = cursors.decode_cursor(cursor, _WORD, _WORD, table.c[sort.by], table.c.recovery_id)
    if by != sort.by or way not in {"on", "back"}:
        raise InvalidInput(cursors.FOREIGN_CURSOR)
    return way == "back", tuple(place)
