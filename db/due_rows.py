"""Rows that are tried again until they are delivered: one claim for every table with `tries` and `next_try_at`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, func, select, tuple_, update

from db.session import Session

LONGEST_WAIT: Final = timedelta(minutes=5)


async def claim_oldest_due(
    session: Session,
    columns: Sequence[Column[Any]],
    key: Sequence[Column[Any]],
    first_wait: timedelta,
    now: datetime,
    *tie: Column[Any],
) -> Mapping[Any, Any] | None:
    """These columns of the undelivered row that has been due for longest, with its try counted; None where none is due.

    It is due again after `first_wait`, doubling up to 5 min: whoever claims it may die without a trace. Passes that
    run side by side claim different rows. `tie` orders rows that became due at the same time.
    """
    table: Any = key[0].table
    due = select(*key).where(table.c.delivered_at.is_(None), table.c.next_try_at <= now)
    oldest = due.order_by(table.c.next_try_at, *tie).limit(1).with_for_update(skip_locked=True)
    wait = func.least(first_wait * func.power(2, func.least(table.c.tries, 10)), LONGEST_WAIT)
    claim = update(table).where(tuple_(*key).in_(oldest.scalar_subquery()))
    shown = claim.values(tries=table.c.tries + 1, next_try_at=now + wait).returning(*columns)
    return (await session.execute(shown)).mappings().one_or_none()
