"""Outcomes of a customer's other recoveries, as input of segmentation."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from core.base import Value
from core.classification.taxonomy import Cause
from core.events import State
from core.segmentation.rules import PaymentTally
from db.models import recovery as table
from db.session import Session
from db.statements import HotStatement

LOST_STATES: Final = [State.EXHAUSTED.value, State.BLOCKED.value]
"""Final states that count as the customer's failure. A canceled recovery says nothing about the customer."""


class CustomerHistory(Value):
    """Counts of a customer's other recoveries; zeros where there are none."""

    successes: int = 0
    """Recoveries that ended with the invoice paid."""
    failures: int = 0
    """Recoveries that ended `exhausted` or `blocked`; canceled ones, also out of scope, are no failures."""
    open_recoveries: int = 0
    by_cause: Mapping[Cause, PaymentTally] = {}
    """Successes and failures by the cause of a recovery's latest classification."""
    recovered_amounts: Mapping[str, int] = {}
    """Money received and not returned, including partial and late payments: minor units by currency code."""
    first_seen_at: datetime | None = None
    """When the first of them opened; None if there are none."""


async def customer_history(
    session: Session, provider: str, customer_id: str | None, before_recovery_id: str
) -> CustomerHistory:
    """All recoveries of this customer except the named one, summed up; an empty history for a customer without id."""
    if customer_id is None:
        return CustomerHistory()
    asked = {"provider": provider, "customer_id": customer_id, "besides": before_recovery_id}
    rows = await _HISTORY.fetch(session, asked)
    return CustomerHistory(
        successes=sum(row["won"] for row in rows),
        failures=sum(row["lost"] for row in rows),
        open_recoveries=sum(row["open"] for row in rows),
        by_cause={cause: _tally_cause(rows, cause) for cause in Cause if any(row["cause"] == cause for row in rows)},
        recovered_amounts=_recovered_amounts(rows),
        first_seen_at=min((row["first"] for row in rows), default=None),
    )


def _tally_cause(rows: Sequence[Mapping[str, Any]], cause: Cause) -> PaymentTally:
    mine = [row for row in rows if row["cause"] == cause]
    return PaymentTally(successes=sum(row["won"] for row in mine), failures=sum(row["lost"] for row in mine))


def _recovered_amounts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for row in rows:
        amounts[row["currency"]] = amounts.get(row["currency"], 0) + int(row["amount"])
    return {currency: amount for currency, amount in amounts.items() if amount > 0}


def _history_query() -> Select[Any]:
    won, lost = table.c.state == State.RECOVERED.value, table.c.state == func.any(literal(LOST_STATES, ARRAY(TEXT)))
    stayed = func.sum(table.c.paid + table.c.paid_late - table.c.returned)
    return (
        select(
            table.c.currency,
            table.c.cause,
            func.count().filter(won).label("won"),
            func.count().filter(lost).label("lost"),
            func.count().filter(table.c.closed_at.is_(None)).label("open"),
            (func.coalesce(func.sum(table.c.amount).filter(won), 0) + stayed).label("amount"),
            func.min(table.c.opened_at).label("first"),
        )
        .where(
            table.c.provider == bindparam("provider"),
            table.c.customer_id == bindparam("customer_id"),
            table.c.recovery_id != bindparam("besides"),
        )
        .group_by(table.c.currency, table.c.cause)
    )


_HISTORY: Final = HotStatement(_history_query())
