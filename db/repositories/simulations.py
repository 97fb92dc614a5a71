"""Dry runs as rows. The worker updates an open one; one that has ended is never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, func, insert, select, text, update

from core.simulations import SimulationOrder, SimulationOutcome, SimulationState
from db.cursors import behind_cursor, encode_cursor
from db.models import simulation as table
from db.session import Session

OPEN_STATES: Final = (SimulationState.QUEUED.value, SimulationState.RUNNING.value)
TURN: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('dry runs ' || :by, 0))")
WHOLE: Final = func.coalesce(table.c.total, table.c.done)
ORDER: Final = [table.c[name] for name in SimulationOrder.model_fields]
NAME: Final = cast(table.c.id, Text)
TEXTS: Final = frozenset({"result", "report", "policy", "baseline", "assumptions"})
LISTED: Final = [column for column in table.columns if column.name not in TEXTS]


class SimulationPage(NamedTuple):
    """One page of dry runs, newest first, by column name. `next_cursor` is None on the last page."""

    items: Sequence[Mapping[Any, Any]]
    next_cursor: str | None


async def insert_simulation(session: Session, id: UUID, order: SimulationOrder, by: str, now: datetime) -> None:
    """Stores a new dry run, queued for a worker."""
    row = order.model_dump() | {"id": id, "state": SimulationState.QUEUED.value, "created_at": now, "created_by": by}
    await session.execute(insert(table).values(row | {"source": order.source.value, "done": 0}))


async def count_open(session: Session, by: str) -> int:
    """How many dry runs of this key or person are queued or running.

    Others who count for the same name wait until the transaction ends, so that they count what it inserts.
    """
    await session.execute(TURN, {"by": by})
    query = select(func.count()).where(table.c.created_by == by, table.c.state.in_(OPEN_STATES))
    return int((await session.execute(query)).scalar_one())


async def begin_simulation(session: Session, id: UUID, now: datetime) -> SimulationOrder | None:
    """Marks a dry run as running, from the start, and returns its order; None if it has ended or does not exist."""
    values = {"state": SimulationState.RUNNING.value, "started_at": now, "done": 0, "total": None}
    begun = await session.execute(update(table).where(*_is_open(id)).values(values).returning(*ORDER))
    row = begun.mappings().one_or_none()
    return SimulationOrder.model_validate(dict(row)) if row else None


async def save_progress(session: Session, id: UUID, done: int, total: int) -> None:
    """Stores how many of `total` cases are done. Without effect once it has ended."""
    await session.execute(update(table).where(*_is_open(id)).values(done=done, total=total))


async def finish_simulation(session: Session, id: UUID, outcome: SimulationOutcome, now: datetime) -> bool:
    """Stores the result, or the problem it failed with. False, with nothing changed, if it had ended before."""
    if outcome.problem is not None:
        return await _end_simulation(session, id, now, SimulationState.FAILED, problem=outcome.problem)
    return await _end_simulation(
        session, id, now, SimulationState.DONE, result=outcome.result, report=outcome.report, done=WHOLE
    )


async def mark_canceled(session: Session, id: UUID, now: datetime) -> bool:
    """Ends a dry run as canceled. False, with nothing changed, if it had ended before."""
    return await _end_simulation(session, id, now, SimulationState.CANCELED)


async def remove_queued(session: Session, id: UUID) -> None:
    """Deletes a dry run that no worker has begun, for example because its workflow could not be started."""
    await session.execute(table.delete().where(table.c.id == id, table.c.state == SimulationState.QUEUED.value))


async def load_simulation(session: Session, id: UUID) -> Mapping[Any, Any] | None:
    """A dry run by column name, without its report; None if it does not exist."""
    columns = [column for column in table.columns if column.name != "report"]
    return (await session.execute(select(*columns).where(table.c.id == id))).mappings().one_or_none()


async def load_report(session: Session, id: UUID) -> tuple[SimulationState, str | None] | None:
    """State and report of a dry run; the report is None until it is done. None if the dry run does not exist."""
    row = (await session.execute(select(table.c.state, table.c.report).where(table.c.id == id))).one_or_none()
    return (SimulationState(row[0]), row[1]) if row else None


async def load_simulation_page(session: Session, limit: int, after: str | None = None) -> SimulationPage:
    """One page, newest first, without the long texts (policies, result, report).

    Raises InvalidInput for a cursor that this function did not return.
    """
    query = select(*LISTED).order_by(table.c.created_at.desc(), NAME.desc()).limit(limit + 1)
    if after:
        query = query.where(behind_cursor(after, table.c.created_at, NAME))
    rows = list((await session.execute(query)).mappings())
    last = rows[limit - 1] if len(rows) > limit else None
    return SimulationPage(rows[:limit], encode_cursor(last["created_at"], str(last["id"])) if last else None)


async def _end_simulation(session: Session, id: UUID, now: datetime, state: SimulationState, **values: Any) -> bool:
    ended = update(table).where(*_is_open(id)).values(values | {"state": state.value, "ended_at": now})
    return (await session.execute(ended.returning(table.c.id))).first() is not None


def _is_open(id: UUID) -> tuple[Any, ...]:
    return table.c.id == id, table.c.state.in_(OPEN_STATES)
