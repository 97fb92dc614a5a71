"""The relay: delivers webhooks that could not be delivered at once, and ensures that open recoveries are running."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from core.contracts import RelayReport
from core.errors import EngineUnavailable, ProviderUnavailable, RecoveryError, StoreUnavailable
from core.ids import recovery_id
from core.notices import Notice, dead_letter_notice
from core.payments import EventKind, ProviderEvent
from core.policy.scope import ScopeRules
from db.repositories import inbox, notices
from db.repositories.inbox import StoredWebhook, WebhookOutcome
from db.session import Database, Session
from intake.delivery import (
    SHIPPED_SCOPE_RULES,
    Delivery,
    DeliveryStatus,
    EventDelivery,
    ResolvePayment,
    apply_write_off_rule,
    ignore_without_effect,
)
from intake.lost_runs import ensure_runs
from intake.operator_signals import deliver_signals
from intake.recorded import is_heard, is_recorded
from intake.recovery_runs import RecoveryRuns
from intake.recovery_store import RecoveryStore
from providers.base import Gateway

MOST_REVIVED: Final = 20
"""Limit per pass for overdue recoveries, and for those not checked for the longest time."""
MOST_TRIES: Final = 10
"""Tries (about twenty minutes) after which a row that fails by itself ends as ignored, with its error as reason."""
MOST_TRIES_OF_AN_OUTAGE: Final = 900
"""Tries during an outage, which is not the row's fault: three days, as long as providers repeat a webhook."""
UNRECORDED: Final = "a run took it, and its log does not show it yet"
ROW_SECONDS: Final = 15
"""Time limit for one delivery; below the database's limit for an idle transaction (`db.session.IDLE_SECONDS`)."""


async def run_relay(
    db: Database,
    recoveries: RecoveryRuns,
    gateways: Mapping[str, Gateway],
    now: datetime,
    limit: int,
    scope: ScopeRules = SHIPPED_SCOPE_RULES,
) -> RelayReport:
    """One pass: delivers up to `limit` rows that are due, then stored operator commands, and starts a new run for
    open recoveries without one.

    Any number of passes may run at once. Raises StoreUnavailable. If Temporal can't be reached, the pass ends early.
    """
    delivered = await _RelayPass(db, recoveries, gateways, now, scope).deliver_all(limit)
    await deliver_signals(db, recoveries, now, limit)
    revived = await ensure_runs(db, recoveries, now, min(limit, MOST_REVIVED))
    async with db.begin() as session:
        waiting = await inbox.count_undelivered(session)
    return RelayReport(delivered=delivered, waiting=waiting, revived=revived)


@dataclass(frozen=True)
class _RelayPass:
    db: Database
    recoveries: RecoveryRuns
    gateways: Mapping[str, Gateway]
    now: datetime
    scope: ScopeRules

    async def deliver_all(self, limit: int) -> int:
        """Delivers up to `limit` due rows; returns how many were concluded, or taken by a run."""
        done = 0
        for _ in range(limit):
            finished = await self._deliver_next()
            if finished is None:
                break
            done += finished
        return done

    async def _deliver_next(self) -> bool | None:
        """Delivers the next due row: True if it was concluded or a run took it, False if it was put off.

        None if no row is due, or Temporal or the database can't be reached, so that the pass should end.
        """
        # The claim puts the row off and commits: no lock is held while Temporal is called, since the worker that
        # writes the event marks this very row.
        async with self.db.begin() as session:
            row = await inbox.claim_due(session, self.now)
        if row is None:
            return None
        try:
            async with asyncio.timeout(ROW_SECONDS):
                result = await self._deliver_row(row)
        except (EngineUnavailable, StoreUnavailable) as away:
            await self._put_off(row, _safe_reason(away), MOST_TRIES_OF_AN_OUTAGE)
            return None
        except (ProviderUnavailable, TimeoutError) as away:
            return await self._put_off(row, _safe_reason(away), MOST_TRIES_OF_AN_OUTAGE)
        except Exception as error:
            structlog.get_logger("relay").exception("a webhook could not be delivered", **_log_fields(row))
            return await self._put_off(row, _safe_reason(error), MOST_TRIES)
        return await self._finish_row(row, result)

    async def _deliver_row(self, row: StoredWebhook) -> Delivery | None:
        """The row's result; None where a run took the event and the log doesn't show it yet."""
        if row.event is None:
            return Delivery(status=DeliveryStatus.IGNORED, reason="its content is not known any more")
        event = apply_write_off_rule(row.event, self.scope)
        if result := ignore_without_effect(event, self.scope, self.now):
            return result
        delivery = EventDelivery(RecoveryStore(self.db), self.recoveries, self.now)
        owned = await delivery.find_owner(event, _payment_resolver(self.gateways.get(row.provider)))
        if isinstance(owned, Delivery):
            return owned
        if owned is not event:
            await self._save_owner(row, owned)
        if await self._is_delivered(row, owned, delivery.store):
            return Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=_own_recovery(owned) or row.recovery_id)
        result = await delivery.deliver(owned)
        if result.status is DeliveryStatus.IGNORED and row.recovery_id:
            # A recovery has recorded it and ended since, as after a dispute: it is no target any more.
            return Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=row.recovery_id)
        return None if result.status is DeliveryStatus.ACCEPTED else result

    async def _is_delivered(self, row: StoredWebhook, event: ProviderEvent, store: RecoveryStore) -> bool:
        if event.kind is EventKind.WAKE:
            return row.tries > 1 and await is_heard(event, store, self.recoveries, self.now)
        if not await is_recorded(event, store, self.now):
            return False
        # What an earlier event will change is not in the log yet, and may give this one an effect.
        async with self.db.begin() as session:
            return not await inbox.has_earlier_undelivered(session, row)

    async def _save_owner(self, row: StoredWebhook, owned: ProviderEvent) -> None:
        async with self.db.begin() as session:
            await inbox.save_owner(session, row, owned)

    async def _finish_row(self, row: StoredWebhook, result: Delivery | None) -> bool:
        if result is None:
            await self._put_off(row, UNRECORDED, MOST_TRIES_OF_AN_OUTAGE)
            return True
        if result.status is DeliveryStatus.DEFERRED:
            return await self._put_off(row, result.reason or "deferred", MOST_TRIES)
        async with self.db.begin() as session:
            await record_delivery(session, row.provider, row.event_id, result, self.now)
        return True

    async def _put_off(self, row: StoredWebhook, why: str, most: int) -> bool:
        """Leaves the row for its next try (False), or gives it up (True): it ends as ignored, with the error as reason.

        A row that is given up becomes a notice to the operators in the same transaction.
        """
        async with self.db.begin() as session:
            if row.tries < most:
                await inbox.note_problem(session, row.provider, row.event_id, why)
                return False
            structlog.get_logger("relay").error(
                "a webhook was given up", reason=why, tries=row.tries, **_log_fields(row)
            )
            result = Delivery(status=DeliveryStatus.IGNORED, reason=f"given up after {row.tries} tries: {why}")
            await notices.add_notices(session, [_dead_letter_notice(row, why, self.now)])
            await record_delivery(session, row.provider, row.event_id, result, self.now)
        return True


def _own_recovery(event: ProviderEvent) -> str | None:
    return recovery_id(event.provider, event.invoice_id) if event.invoice_id else None


async def record_delivery(session: Session, provider: str, event_id: str, delivery: Delivery, now: datetime) -> None:
    """Stores the result of a delivery, ACCEPTED or IGNORED. Raises ValueError for DEFERRED, which is no end."""
    outcome = WebhookOutcome(delivery.status.value)
    await inbox.conclude_delivery(
        session, provider, event_id, outcome, now, reason=delivery.reason, recovery_id=delivery.recovery_id
    )


def _payment_resolver(gateway: Gateway | None) -> ResolvePayment | None:
    """The gateway's look-up; None without one (no API key): the row is then deferred and given up in the end."""
    return gateway.resolve_event if gateway else None


def _dead_letter_notice(row: StoredWebhook, why: str, now: datetime) -> Notice:
    name = f"webhook {row.event_id} of {row.provider}"
    return dead_letter_notice(name, now, provider=row.provider, invoice_id=row.invoice_id, why=why)


def _log_fields(row: StoredWebhook) -> dict[str, str | None]:
    return {"provider": row.provider, "event_id": row.event_id, "invoice": row.invoice_id}


def _safe_reason(error: Exception) -> str:
    """The text of an error of ours; for others only the type, since their text may hold personal data."""
    return str(error) if isinstance(error, RecoveryError) else type(error).__name__
