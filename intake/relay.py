"""The relay: delivers webhooks that could not be delivered at once, and ensures that open recoveries are running."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import structlog

from core.contracts import RelayReport
from core.errors import EngineUnavailable, ProviderUnavailable, RecoveryError, RunClosed, StoreUnavailable
from core.notices import Audience, Notice, NoticeTopic, dead_letter_notice
from core.policy.scope import ScopeRules
from db.repositories import inbox, notices
from db.repositories import recoveries as read_model
from db.repositories.inbox import StoredWebhook, WebhookOutcome
from db.session import Database, Session
from intake.delivery import SHIPPED_SCOPE_RULES, Delivery, DeliveryStatus, ResolvePayment, deliver_event
from intake.recoveries import Recoveries
from providers.base import Gateway


async def report_idle_queues(db: Database, recoveries: Recoveries, providers: Iterable[str], now: datetime) -> None:
    """Stores a notice for operators, once per day and queue, for each of these providers whose queue nobody polls.

    Raises StoreUnavailable.
    """
    idle = [provider for provider in sorted(set(providers)) if not await _is_polled(recoveries, provider)]
    if idle:
        async with db.begin() as session:
            await notices.add_notices(session, [_idle_queue_notice(provider, now) for provider in idle])


async def _is_polled(recoveries: Recoveries, provider: str) -> bool:
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


MOST_TRIES: Final = 10
"""Tries (about twenty minutes) after which a row that fails by itself ends as ignored, with its error as reason."""
MOST_TRIES_OF_AN_OUTAGE: Final = 900
"""Tries during an outage, which is not the row's fault: three days, as long as providers repeat a webhook."""
ROW_SECONDS: Final = 15
"""Time limit for one delivery; below the database's limit for an idle transaction (`db.session.IDLE_SECONDS`)."""
OVERDUE_GRACE: Final = timedelta(minutes=2)
"""How far overdue a recovery may be before the relay ensures that it is running."""
MOST_REVIVED: Final = 20
"""Limit per pass for overdue recoveries, and for those not checked for the longest time."""


async def run_relay(
    db: Database,
    recoveries: Recoveries,
    gateways: Mapping[str, Gateway],
    now: datetime,
    limit: int,
    scope: ScopeRules = SHIPPED_SCOPE_RULES,
) -> RelayReport:
    """One pass: delivers up to `limit` rows that are due, then starts a new run for open recoveries without one.

    Any number of passes may run at once. Raises StoreUnavailable. If Temporal can't be reached, the pass ends early.
    """
    delivered = await _RelayPass(db, recoveries, gateways, now, scope).deliver_all(limit)
    revived = await ensure_runs(db, recoveries, now, min(limit, MOST_REVIVED))
    async with db.begin() as session:
        waiting = await inbox.count_undelivered(session)
    return RelayReport(delivered=delivered, waiting=waiting, revived=revived)


@dataclass(frozen=True)
class _RelayPass:
    db: Database
    recoveries: Recoveries
    gateways: Mapping[str, Gateway]
    now: datetime
    scope: ScopeRules

    async def deliver_all(self, limit: int) -> int:
        """Delivers up to `limit` due rows; returns how many were concluded."""
        done = 0
        for _ in range(limit):
            verdict = await self._deliver_next()
            if verdict is None:
                break
            done += verdict
        return done

    async def _deliver_next(self) -> bool | None:
        """Delivers the next due row: True if it was concluded, False if it was put off.

        None if no row is due, or Temporal or the database can't be reached, so that the pass should end.
        """
        # One transaction per row: its lock keeps other passes away, and a crash leaves the row as it was.
        async with self.db.begin() as session:
            rows = await inbox.lock_undelivered(session, 1, self.now)
            if not rows:
                return None
            try:
                verdict = await self._try_delivery(rows[0])
            except (EngineUnavailable, StoreUnavailable) as away:
                await self._put_off_or_give_up(session, rows[0], _safe_reason(away), MOST_TRIES_OF_AN_OUTAGE)
                return None
            except (ProviderUnavailable, TimeoutError) as away:
                return await self._put_off_or_give_up(session, rows[0], _safe_reason(away), MOST_TRIES_OF_AN_OUTAGE)
            except Exception as error:
                structlog.get_logger("relay").exception("a webhook could not be delivered", **_log_fields(rows[0]))
                return await self._put_off_or_give_up(session, rows[0], _safe_reason(error), MOST_TRIES)
            return await self._finish_row(session, rows[0], verdict)

    async def _try_delivery(self, row: StoredWebhook) -> Delivery:
        if row.event is None:
            return Delivery(status=DeliveryStatus.IGNORED, reason="its content is not known any more")
        resolve = _payment_resolver(self.gateways.get(row.provider))
        async with asyncio.timeout(ROW_SECONDS):
            return await deliver_event(row.event, self.db, self.recoveries, self.now, resolve, self.scope)

    async def _finish_row(self, session: Session, row: StoredWebhook, verdict: Delivery) -> bool:
        if verdict.status is DeliveryStatus.DEFERRED:
            return await self._put_off_or_give_up(session, row, verdict.reason or "deferred", MOST_TRIES)
        await record_delivery(session, row.provider, row.event_id, verdict, self.now)
        return True

    async def _put_off_or_give_up(self, session: Session, row: StoredWebhook, why: str, most: int) -> bool:
        """Schedules another try (False), or gives up (True): the row ends as ignored, with the error as reason.

        A row that is given up becomes a notice to the operators in the same transaction.
        """
        if row.tries + 1 < most:
            await _retry_later(session, row, self.now, why)
            return False
        structlog.get_logger("relay").error(
            "a webhook was given up", reason=why, tries=row.tries + 1, **_log_fields(row)
        )
        reason = f"given up after {row.tries + 1} tries: {why}"
        await notices.add_notices(session, [_dead_letter_notice(row, why, self.now)])
        await record_delivery(
            session, row.provider, row.event_id, Delivery(status=DeliveryStatus.IGNORED, reason=reason), self.now
        )
        return True


async def record_delivery(session: Session, provider: str, event_id: str, verdict: Delivery, now: datetime) -> None:
    """Stores the result of a delivery, ACCEPTED or IGNORED. Raises ValueError for DEFERRED, which is no end."""
    outcome = WebhookOutcome(verdict.status.value)
    await inbox.conclude_delivery(
        session, provider, event_id, outcome, now, reason=verdict.reason, recovery_id=verdict.recovery_id
    )


async def ensure_runs(db: Database, recoveries: Recoveries, now: datetime, limit: int) -> int:
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
                checked[name] = await _ensure_running(recoveries, row)
            except EngineUnavailable:
                break
    async with db.begin() as session:
        await read_model.mark_checked(session, list(checked), now)
    return sum(checked.values())


async def _ensure_running(recoveries: Recoveries, row: Mapping[str, Any]) -> bool:
    try:
        return await recoveries.ensure_running(row["provider"], row["invoice_id"])
    except RunClosed:
        # It may have ended since the row was read. If the log of a completed run has no end, an operator must look.
        structlog.get_logger("relay").warning("an open recovery's run has completed", recovery_id=row["recovery_id"])
        return False


def _payment_resolver(gateway: Gateway | None) -> ResolvePayment | None:
    """The gateway's look-up; None without one (no API key): the row is then deferred and given up in the end."""
    return gateway.resolve_event if gateway else None


async def _retry_later(session: Session, row: StoredWebhook, now: datetime, why: str) -> None:
    await inbox.retry_later(session, row.provider, row.event_id, row.tries, now, why)


def _dead_letter_notice(row: StoredWebhook, why: str, now: datetime) -> Notice:
    name = f"webhook {row.event_id} of {row.provider}"
    return dead_letter_notice(name, now, provider=row.provider, invoice_id=row.invoice_id, why=why)


def _log_fields(row: StoredWebhook) -> dict[str, str | None]:
    return {"provider": row.provider, "event_id": row.event_id, "invoice": row.invoice_id}


def _safe_reason(error: Exception) -> str:
    """The text of an error of ours; for others only the type, since their text may hold personal data."""
    return str(error) if isinstance(error, RecoveryError) else type(error).__name__
