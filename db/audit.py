"""Verifies that the log is what was written: no gap, no changed row, no row lost at the end.

A hash chain can't show that its own end was cut off. The read model knows the last sequence, so the two are compared.
Whoever can change both tables and compute hashes can still forge a log: only a copy of the newest hashes kept elsewhere
shows that.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Final

from sqlalchemy import func, select, text

from core.base import Value
from db.chain import Problem
from db.chain import verify_chain as verify_chain
from db.models import event_log
from db.rebuild import BATCH, Difference, Progress, compare_rows, project_history, recoveries_without_log
from db.repositories.event_log import stream_histories
from db.repositories.transitions import Row
from db.session import Database, Session

UNQUOTABLE: Final = re.compile(r"[^0-9A-Fa-f-]")
"""What no id of a snapshot holds: a statement that names one takes no parameter."""


class AuditReport(Value):
    """Result of a verification: numbers of recoveries and rows read, and the problems found."""

    recoveries: int = 0
    rows: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


class LogSnapshot(Value):
    """The log as of one moment, which other transactions can read too while its own is open."""

    id: str
    rows_by_day: dict[date, int]
    """Number of rows by `opened_on`, in order."""


async def verify_log(
    database: Database, recovery_id: str | None = None, progress: Progress = lambda _: None
) -> AuditReport:
    """Verifies one recovery or all of them, as of one moment; writers go on meanwhile.

    An unknown recovery gives an empty report. `progress` is called after every BATCH recoveries, which are in memory at
    a time. Raises StoreUnavailable.
    """
    async with _reading(database) as session:
        missing = await _missing_logs(session, recovery_id)
        report = await _verify_histories(session, stream_histories(session, recovery_id), progress)
    return join_reports([AuditReport(problems=missing), report])


@asynccontextmanager
async def hold_snapshot(database: Database) -> AsyncIterator[tuple[LogSnapshot, AuditReport]]:
    """For verifying in several processes: a snapshot for `verify_days`, and the recoveries without a log as a report.

    Raises StoreUnavailable.
    """
    async with _reading(database) as session:
        await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        name = (await session.execute(text("SELECT pg_export_snapshot()"))).scalar_one()
        day = event_log.c.opened_on
        counts = await session.execute(select(day, func.count()).group_by(day).order_by(day))
        days = {at: count for at, count in counts}
        yield LogSnapshot(id=name, rows_by_day=days), AuditReport(problems=await _missing_logs(session, None))


async def verify_days(database: Database, snapshot: str, first: date, last: date) -> AuditReport:
    """Verifies the rows with an `opened_on` from `first` to `last`, as of a snapshot. Raises StoreUnavailable."""
    async with _reading(database, snapshot) as session:
        return await _verify_histories(session, stream_histories(session, days=(first, last)), lambda _: None)


def join_reports(reports: Iterable[AuditReport]) -> AuditReport:
    """One report of all."""
    parts = list(reports)
    return AuditReport(
        recoveries=sum(one.recoveries for one in parts),
        rows=sum(one.rows for one in parts),
        problems=tuple(problem for one in parts for problem in one.problems),
    )


@asynccontextmanager
async def _reading(database: Database, snapshot: str | None = None) -> AsyncIterator[Session]:
    """A transaction that sees log and read model as of one moment, however long it takes."""
    async with database.begin() as session:
        # One snapshot for both: a transition committed in between would look like a difference.
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        if snapshot is not None:
            await session.execute(text(f"SET TRANSACTION SNAPSHOT '{UNQUOTABLE.sub('', snapshot)}'"))
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        yield session


async def _verify_histories(session: Session, histories: AsyncIterator[list[Row]], progress: Progress) -> AuditReport:
    problems: list[Problem] = []
    recoveries = rows = 0
    async for batch in _in_batches(histories):
        problems += await _examine_batch(session, batch)
        rows += sum(map(len, batch))
        progress(recoveries := recoveries + len(batch))
    return AuditReport(recoveries=recoveries, rows=rows, problems=tuple(problems))


async def _in_batches(histories: AsyncIterator[list[Row]]) -> AsyncIterator[list[list[Row]]]:
    batch: list[list[Row]] = []
    async for history in histories:
        batch.append(history)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _examine_batch(session: Session, batch: Sequence[Sequence[Row]]) -> list[Problem]:
    """The problems of some recoveries; their read model is read by one statement."""
    problems, rebuilt = [], []
    for history in batch:
        problems += verify_chain(history)
        try:
            rebuilt.append(project_history(history))
        except (KeyError, ValueError, TypeError) as error:
            what = f"its rows can't be read: {type(error).__name__}"
            problems.append(Problem(recovery_id=history[0]["recovery_id"], sequence=None, what=what))
    return problems + [_difference_problem(one) for one in await compare_rows(session, rebuilt)]


def _difference_problem(found: Difference) -> Problem:
    what = f"the read model has {found.column} = {found.live!s}, the log says {found.rebuilt!s}"
    return Problem(recovery_id=found.recovery_id, sequence=None, what=what)


async def _missing_logs(session: Session, recovery_id: str | None) -> tuple[Problem, ...]:
    what = "the read model knows it, the log does not"
    names = await recoveries_without_log(session, recovery_id)
    return tuple(Problem(recovery_id=name, sequence=None, what=what) for name in names)
