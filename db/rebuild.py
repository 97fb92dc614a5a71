"""Rebuilds the read model and the attempt ledger from the log alone, or compares the stored rows with the log."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Text, bindparam, delete, exists, func, select, text
from sqlalchemy.sql.elements import ColumnElement

from core.base import Value
from db.models import event_log, network_attempt, recovery
from db.repositories import network_attempts, recoveries
from db.repositories.event_log import blank_of, fold_rows, record_of, stream_histories
from db.repositories.transitions import Row
from db.session import Session

BATCH: Final = 200
"""Recoveries per statement."""
Progress = Callable[[int], None]
"""Called with the number of recoveries done so far."""


class Difference(Value):
    """A column of the read model that differs from the log. `column` is `row` where either side lacks the recovery."""

    recovery_id: str
    column: str
    live: Any
    rebuilt: Any


async def rebuild_read_model(session: Session, progress: Progress = lambda _: None) -> int:
    """Writes the read model and the attempt ledger anew from the log; returns the number of recoveries.

    Writers wait until the caller's transaction ends, readers see the old rows until then. `checked_at` is kept.
    """
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    # Before the log is read: a row that a writer adds meanwhile would be missing from the rebuilt tables.
    await session.execute(text("LOCK TABLE recovery, network_attempt IN SHARE ROW EXCLUSIVE MODE"))
    await session.execute(delete(recovery).where(~_has_log()))
    await session.execute(delete(network_attempt))
    done = 0
    async for rows in stream_histories(session):
        await recoveries.save_recoveries(session, [project_history(rows)])
        await network_attempts.save_attempts(session, blank_of(rows), [record_of(row) for row in rows])
        done += 1
        if done % BATCH == 0:
            progress(done)
    progress(done)
    return done


async def may_rebuild(session: Session) -> bool:
    """Whether this role may delete the rows of the rebuilt tables: the owner, not the service's writer."""
    query = "SELECT has_table_privilege('recovery', 'DELETE') AND has_table_privilege('network_attempt', 'DELETE')"
    return bool((await session.execute(text(query))).scalar_one())


async def compare_rows(session: Session, rebuilt: Sequence[Row]) -> list[Difference]:
    """The differences between these rebuilt rows and the stored ones of the same recoveries."""
    live = await _load_live_rows(session, [row["recovery_id"] for row in rebuilt])
    return [one for row in rebuilt for one in _row_differences(live.get(row["recovery_id"]), row)]


async def recoveries_without_log(session: Session, recovery_id: str | None = None) -> list[str]:
    """Ids of recoveries in the read model (or only this one) that have no first row in the log."""
    query = select(recovery.c.recovery_id).where(~_has_log()).order_by(recovery.c.recovery_id)
    if recovery_id is not None:
        query = query.where(recovery.c.recovery_id == recovery_id)
    return list((await session.execute(query)).scalars())


def project_history(rows: Sequence[Row]) -> dict[str, Any]:
    """The row of the read model by column name, from all rows of one recovery in sequence order.

    Raises KeyError, ValueError or TypeError for rows that no release wrote.
    """
    return recoveries.project_recovery(fold_rows(rows), rows[0]["opened_on"], rows[-1]["recorded_at"])


def _has_log() -> ColumnElement[bool]:
    opening = (event_log.c.recovery_id == recovery.c.recovery_id, event_log.c.sequence == 1)
    return exists().where(event_log.c.opened_on == recovery.c.opened_on, *opening)


async def _load_live_rows(session: Session, names: list[str]) -> dict[str, Row]:
    wanted = recovery.c.recovery_id == func.any(bindparam("names", names, ARRAY(Text)))
    found = await session.execute(select(recovery).where(wanted))
    return {row["recovery_id"]: row for row in found.mappings()}


def _row_differences(live: Row | None, rebuilt: Row) -> list[Difference]:
    name = rebuilt["recovery_id"]
    if live is None:
        return [Difference(recovery_id=name, column="row", live=None, rebuilt="in the log")]
    return [
        Difference(recovery_id=name, column=column, live=live[column], rebuilt=rebuilt[column])
        for column in recoveries.DERIVED
        if live[column] != rebuilt[column]
    ]
