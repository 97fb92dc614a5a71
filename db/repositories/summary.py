"""What recoveries came to, in sums of the read model: per currency, and within one by cause, segment, strategy, arm."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from core.base import Value
from core.events import State
from db.models import recovery as table
from db.session import Session

LOST: Final = (State.EXHAUSTED.value, State.BLOCKED.value, State.CANCELED.value)
GROUPS: Final = ("cause", "segment", "strategy")


class Sums(Value):
    """Some recoveries: how many, and their amounts in minor units."""

    at_risk: int = 0
    """Of those that go on."""
    recovered: int = 0
    lost: int = 0
    """Closed without the money, canceled ones among them."""
    open_count: int = 0
    recovered_count: int = 0
    lost_count: int = 0


class Group(Value):
    """The sums of the recoveries that share these values."""

    keys: tuple[str | None, ...]
    sums: Sums


async def sums(
    session: Session, columns: tuple[str, ...], since: datetime, until: datetime, currency: str | None = None
) -> list[Group]:
    """Recoveries that opened in [since, until), grouped by these columns; currencies are compared without case."""
    by = [_value(name) for name in columns]
    query = select(*by, *_sums()).where(table.c.opened_at >= since, table.c.opened_at < until)
    if currency:
        query = query.where(func.upper(table.c.currency) == currency.upper())
    if "arm" in columns:
        query = query.where(table.c.arm.is_not(None))
    rows = (await session.execute(query.group_by(*by).order_by(*by))).all()
    return [Group(keys=tuple(row[: len(by)]), sums=_sums_of(row[len(by) :])) for row in rows]


def _value(name: str) -> ColumnElement[Any]:
    return func.upper(table.c.currency).label("currency") if name == "currency" else table.c[name]


def _sums() -> list[ColumnElement[Any]]:
    won, lost = table.c.state == State.RECOVERED.value, table.c.state.in_(LOST)
    conditions = (table.c.closed_at.is_(None), won, lost)
    amounts = [func.coalesce(func.sum(table.c.amount).filter(one), 0) for one in conditions]
    return [*amounts, *(func.count().filter(one) for one in conditions)]


def _sums_of(values: Any) -> Sums:
    return Sums(**dict(zip(Sums.model_fields, map(int, values), strict=True)))
