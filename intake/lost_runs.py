"""Gives open recoveries without a run a new one, and reports queues that no worker polls."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import structlog

from core.errors import EngineUnavailable, RunClosed
from core.notices import Audience, Notice, NoticeTopic
from db.repositories import notices
from db.repositories import recoveries as read_model
from db.session import Database
from intake.recovery_runs import RecoveryRuns
from intake.recovery_store import RecoveryStore

OVERDUE_GRACE: Final = timedelta(minutes=2)
"""How far overdue a recovery may be before the relay ensures that it is running."""


async def ensure_runs(db: Database, recoveries: RecoveryRuns, now: datetime, limit: int) -> int:
    """Starts a new run for open recoveries without one; returns how many were started.

    Checks up to `limit` overdue recoveries and up to `limit` that were not checked for the longest time. Ends early if
    Temporal can't be reached. Raises StoreUnavailable.
    """
    async with db.begin() as session:
        overdue = await read_model.overdue_recoveries(session, now, OVERDUE_GRACE, limit)
        rows = overdue + await read_model.least_recently_checked(session, limit)
    await report_idle_queues(db, recoveries, (row["provider"] for row in overdue), now)
    checked: dict[str, bool] = {}
    for row in rows:
        name = row["recovery_id"]
        if name not in checked:
            try:
                checked[name] = await _ensure_running(db, recoveries, row)
            except EngineUnavailable:
                break
    async with db.begin() as session:
        await read_model.mark_checked(session, list(checked), now)
    return sum(checked.values())


async def _ensure_running(db: Database, recoveries: RecoveryRuns, row: Mapping[str, Any]) -> bool:
    try:
        return await recoveries.ensure_running(row["provider"], row["invoice_id"])
    except RunClosed:
        if await _is_open(db, row["recovery_id"]):
            # A completed run whose log has no end: only an operator can say what became of it.
            structlog.get_logger("relay").warning(
                "an open recovery's run has completed", recovery_id=row["recovery_id"]
            )
        return False


async def _is_open(db: Database, recovery_id: str) -> bool:
    """As the log says now: the row may have been read just before the recovery ended."""
    stored = await RecoveryStore(db).load_recovery(recovery_id)
    return stored is not None and not stored.stage.is_final


async def report_idle_queues(db: Database, recoveries: RecoveryRuns, providers: Iterable[str], now: datetime) -> None:
    """Stores a notice for operators, once per day and queue, for each of these providers whose queue nobody polls.

    Raises StoreUnavailable.
    """
    idle = [provider for provider in sorted(set(providers)) if not await _is_polled(recoveries, provider)]
    if idle:
        async with db.begin() as session:
            await notices.add_notices(session, [_idle_queue_notice(provider, now) for provider in idle])


async def _is_polled(recoveries: RecoveryRuns, provider: str) -> bool:
    """Whether a worker polls the provider's queue; True if Temporal can't be asked, so that no false notice is sent."""
    try:
        return await recoveries.is_polled(provider)
    except EngineUnavailable:
        return True


def _idle_queue_notice(provider: str, now: datetime) -> Notice:
    why = f"no worker polls the queue charges-{provider}: its recoveries wait, and nothing is read or charged"
    return Notice(
        id=uuid5(NAMESPACE_URL, f"pri:idle:{provider}:{now.date()}"),
        audience=Audience.OPERATORS,
        topic=NoticeTopic.CONFIGURATION,
        occurred_at=now,
        data={"provider": provider, "why": why},
    )
