"""Verifies that the log is what was written: no gap, no changed row, no row lost at the end.

A hash chain can't show that its own end was cut off. The read model knows the last sequence, so the two are compared.
Whoever can change both tables and compute hashes can still forge a log: only a copy of the newest hashes kept elsewhere
shows that.
"""

from collections.abc import Sequence

from sqlalchemy import text

from core.base import Value
from db.chain import Problem
from db.chain import verify_chain as verify_chain
from db.rebuild import Difference, Progress, compare_rows, project_history, recoveries_without_log
from db.repositories.event_log import Row, stream_histories
from db.session import Database, Session


class AuditReport(Value):
    """Result of a verification: numbers of recoveries and rows read, and the problems found."""

    recoveries: int = 0
    rows: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


async def verify_log(
    database: Database, recovery_id: str | None = None, progress: Progress = lambda _: None
) -> AuditReport:
    """Verifies one recovery or all of them, as of one moment; writers go on meanwhile.

    An unknown recovery gives an empty report. One recovery is in memory at a time. Raises StoreUnavailable.
    """
    async with database.begin() as session:
        # One snapshot for log and read model: a transition committed in between would look like a difference.
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        problems = [_missing_log_problem(name) for name in await recoveries_without_log(session, recovery_id)]
        recoveries = rows = 0
        async for history in stream_histories(session, recovery_id):
            problems += await _examine_history(session, history)
            rows += len(history)
            progress(recoveries := recoveries + 1)
    return AuditReport(recoveries=recoveries, rows=rows, problems=tuple(problems))


async def _examine_history(session: Session, history: Sequence[Row]) -> list[Problem]:
    return verify_chain(history) + await _compare_read_model(session, history)


async def _compare_read_model(session: Session, history: Sequence[Row]) -> list[Problem]:
    name = history[0]["recovery_id"]
    try:
        rebuilt = project_history(history)
    except (KeyError, ValueError, TypeError) as error:
        return [Problem(recovery_id=name, sequence=None, what=f"its rows can't be read: {type(error).__name__}")]
    return [_difference_problem(one) for one in await compare_rows(session, [rebuilt])]


def _difference_problem(found: Difference) -> Problem:
    what = f"the read model has {found.column} = {found.live!s}, the log says {found.rebuilt!s}"
    return Problem(recovery_id=found.recovery_id, sequence=None, what=what)


def _missing_log_problem(name: str) -> Problem:
    return Problem(recovery_id=name, sequence=None, what="the read model knows it, the log does not")
