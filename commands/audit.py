"""`pri audit verify`: the event log in several processes, by the days on which recoveries opened."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any, Final, NamedTuple

from commands.database import open_database, progress_bar
from core.errors import NotFound, StoreUnavailable
from db import audit
from db.audit import AuditReport
from db.session import Database
from settings import Settings
from simulator.processes import ProcessFailed, run_in_processes

Verifier = Callable[[int, int], AuditReport]
ROWS_PER_PIECE: Final = 20_000
"""Days are verified together up to so many rows: progress shows, and processes end at about the same time."""


class DayVerifier(NamedTuple):
    """Verifies some days of a snapshot, each time over a connection of its own."""

    address: str
    snapshot: str

    def __call__(self, first: int, last: int) -> AuditReport:
        """The report of the days with these ordinals, both included."""
        return asyncio.run(self._verify(date.fromordinal(first), date.fromordinal(last)))

    async def _verify(self, first: date, last: date) -> AuditReport:
        database = Database(self.address)
        try:
            return await audit.verify_days(database, self.snapshot, first, last)
        finally:
            await database.close()


def verify_audit(settings: Settings, recovery_id: str | None, jobs: int) -> AuditReport:
    """Verifies the hash chains and the read model, in so many processes, with a progress bar on stderr.

    Raises NotFound for an unknown recovery, StoreUnavailable.
    """
    if recovery_id is None:
        return asyncio.run(_verify_all(settings, jobs))
    report = asyncio.run(_verify_one(settings, recovery_id))
    if not report.recoveries and report.is_clean:
        raise NotFound(f"There is no recovery {recovery_id}.")
    return report


async def _verify_one(settings: Settings, recovery_id: str) -> AuditReport:
    async with open_database(settings) as database:
        return await audit.verify_log(database, recovery_id)


async def _verify_all(settings: Settings, jobs: int) -> AuditReport:
    # The snapshot is gone with its transaction, which therefore stays open until the last process is done.
    async with open_database(settings) as database, audit.hold_snapshot(database) as (snapshot, missing):
        build: Any = partial(DayVerifier, settings.database_url.get_secret_value(), snapshot.id)
        try:
            # In a thread, where a piece that stays in this process may have an event loop of its own.
            reports = await asyncio.to_thread(_verify_pieces, build, snapshot.rows_by_day, jobs)
        except ProcessFailed as error:
            raise StoreUnavailable(f"The log was not verified to its end: {error}") from None
    return audit.join_reports([missing, *reports])


def _verify_pieces(build: Callable[[], Verifier], rows_by_day: Mapping[date, int], jobs: int) -> list[AuditReport]:
    done = []
    pieces = list(group_days(rows_by_day))
    with progress_bar() as bar, run_in_processes(build, pieces, jobs) as reports:
        task = bar.add_task("rows verified", total=sum(rows_by_day.values()))
        for report in reports:
            bar.update(task, advance=report.rows)
            done.append(report)
    return done


def group_days(rows_by_day: Mapping[date, int]) -> Iterator[tuple[int, int]]:
    """Ordinals of first and last day of each piece of work, in order; each but the last has ROWS_PER_PIECE or more."""
    days: list[int] = []
    rows = 0
    for day, count in rows_by_day.items():
        days.append(day.toordinal())
        rows += count
        if rows >= ROWS_PER_PIECE:
            yield days[0], days[-1]
            days, rows = [], 0
    if days:
        yield days[0], days[-1]
