"""The read model: the current state of each recovery, written in the transaction of its log and derivable from it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from core.recovery import machine
from core.recovery.state import Recovery
from core.recovery.unknown_charges import answer_deadline
from db.models import recovery as table
from db.session import Session

DERIVED: Final = tuple(column.name for column in table.columns if column.name != "checked_at")
"""Columns that follow from the log. `checked_at` does not: the relay writes it."""
OWN_COLUMNS: Final = [column for column in table.columns if column.name != "opened_on"]


def view_recovery(recovery: Recovery) -> dict[str, Any]:
    """The recovery as the API shows it: the field names of `GET /v1/recoveries`, times as datetimes in UTC."""
    own = (*recovery.charge_ids, recovery.failure.charge_id)
    return {
        **recovery.model_dump(include=_AS_THEY_ARE),
        "recovery_id": recovery.recovery_id,
        "workflow_id": recovery.recovery_id,
        "state": recovery.state.value,
        "category": str(recovery.category) if recovery.category else None,
        "cause": str(recovery.cause) if recovery.cause else None,
        "until": answer_deadline(recovery) or recovery.until,
        "charge_ids": sorted({charge for charge in own if charge}),
    }


_AS_THEY_ARE: Final = {
    "provider", "invoice_id", "customer_id", "subscription_id", "amount", "currency", "segment", "strategy",
    "policy_version", "attempt", "attempts_used", "attempts_allowed", "next_attempt_at", "until", "opened_at",
    "closed_at", "close_reason", "sequence", "experiment", "arm", "paid", "paid_late", "returned",
}  # fmt: skip


def project_recovery(recovery: Recovery, opened_on: date, recorded_at: datetime) -> dict[str, Any]:
    """The row of the read model by column name, from the folded log and two columns of its last row."""
    row = view_recovery(recovery)
    del row["workflow_id"]
    return row | {
        "opened_at": recovery.opened_at or datetime.combine(opened_on, time(), UTC),
        "opened_on": opened_on,
        "updated_at": recorded_at,
        "due_at": due_at(recovery, recorded_at),
    }


def due_at(recovery: Recovery, now: datetime) -> datetime | None:
    """When the recovery acts next by itself, `now` if at once; None if it waits for an event or has ended."""
    # Without its messages: a mail server that is down must not make recoveries look overdue.
    step = machine.next_step(recovery.with_changes(messages=None), now)
    if isinstance(step, machine.Wait):
        return step.until
    return None if isinstance(step, machine.Done) else now


_SAVED: Final = ", ".join(DERIVED)
_CHANGES: Final = ", ".join(f"{name} = excluded.{name}" for name in DERIVED if name != "recovery_id")
SAVE: Final = f"""
    INSERT INTO recovery ({_SAVED})
    SELECT {_SAVED} FROM jsonb_populate_recordset(NULL::recovery, CAST(:recoveries AS jsonb))
    ON CONFLICT (recovery_id) DO UPDATE SET {_CHANGES}
"""
"""Saves rows, as `save_parameters` gives them; also a part of the statement for a transition."""
_SAVE: Final = text(SAVE)


async def save_recoveries(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts or replaces rows that `project_recovery` returned, each recovery once; `checked_at` is kept."""
    if rows:
        await session.execute(_SAVE, save_parameters(rows))


def save_parameters(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of SAVE."""
    return {"recoveries": json.dumps([dict(row) for row in rows], default=_to_iso)}


def _to_iso(moment: date) -> str:
    return moment.isoformat()


async def load_recovery_row(session: Session, recovery_id: str) -> dict[str, Any] | None:
    """One recovery as the API shows it, by field name; None if there is none."""
    found = (
        (await session.execute(select_recoveries().where(table.c.recovery_id == recovery_id))).mappings().one_or_none()
    )
    return dict(found) if found else None


async def load_recovery_rows(session: Session, recovery_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The recoveries with these ids that exist, newest first."""
    mine = table.c.recovery_id == func.any(literal(list(recovery_ids), ARRAY(TEXT)))
    return await fetch_rows(
        session, select_recoveries().where(mine).order_by(table.c.opened_at.desc(), table.c.recovery_id.desc())
    )


async def sequence_of(session: Session, recovery_id: str) -> int:
    """The sequence of the newest row of its log; 0 if it has none. One look-up by primary key, for polling."""
    query = select(table.c.sequence).where(table.c.recovery_id == recovery_id)
    return await session.scalar(query) or 0


def select_recoveries() -> Select[Any]:
    """A query for the fields that the API shows, without conditions and order."""
    return select(*OWN_COLUMNS, table.c.recovery_id.label("workflow_id"))


async def fetch_rows(session: Session, query: Select[Any]) -> list[dict[str, Any]]:
    """The rows of a query as dicts by column name."""
    return [dict(row) for row in (await session.execute(query)).mappings()]


async def open_recoveries_of(session: Session, provider: str, customer_id: str) -> list[dict[str, Any]]:
    """The open recoveries of a customer, oldest first."""
    mine = (table.c.provider == provider, table.c.customer_id == customer_id, table.c.closed_at.is_(None))
    return await fetch_rows(session, select_recoveries().where(*mine).order_by(table.c.opened_at))


async def recoveries_by_charge(session: Session, provider: str, charge_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The recoveries that one of these charges belongs to, open or closed, oldest first."""
    # An overlap of arrays (&&), as the GIN index on charge_ids needs it.
    wanted = literal(list(charge_ids), ARRAY(TEXT))
    mine = (table.c.provider == provider, table.c.charge_ids.op("&&")(wanted))
    return await fetch_rows(session, select_recoveries().where(*mine).order_by(table.c.opened_at))


async def overdue_recoveries(session: Session, now: datetime, grace: timedelta, limit: int) -> list[dict[str, Any]]:
    """Open recoveries that should have acted more than `grace` ago, the longest overdue first."""
    late = table.c.due_at < now - grace
    return await fetch_rows(session, select_recoveries().where(late).order_by(table.c.due_at).limit(limit))


async def least_recently_checked(session: Session, limit: int) -> list[dict[str, Any]]:
    """Open recoveries whose workflow run was not checked for the longest time, never checked ones first."""
    order = table.c.checked_at.asc().nulls_first()
    return await fetch_rows(
        session, select_recoveries().where(table.c.closed_at.is_(None)).order_by(order).limit(limit)
    )


async def mark_checked(session: Session, recovery_ids: Sequence[str], now: datetime) -> None:
    """Records that the workflow runs of these recoveries were checked at `now`."""
    mine = table.c.recovery_id == func.any(bindparam("ids", list(recovery_ids), ARRAY(TEXT)))
    await session.execute(update(table).where(mine).values(checked_at=now))


async def counts_by_state(session: Session) -> dict[str, int]:
    """Number of recoveries by state; states without any are left out."""
    rows = await session.execute(select(table.c.state, func.count()).group_by(table.c.state))
    return {state: count for state, count in rows}
