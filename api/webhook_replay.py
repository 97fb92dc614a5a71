"""Replays a stored webhook on an operator's request: delivers it once more, at once."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import structlog

from api.deps import Parts
from api.webhook_ingest import DELIVER_WITHIN, UNREADABLE_TYPE, ingest_verified
from core.errors import CommandRefused, EngineUnavailable, NotFound, RecoveryError
from core.payments import ProviderEvent
from db.queries import webhooks
from db.repositories import inbox, operator_actions
from db.repositories.inbox import WebhookOutcome
from db.repositories.operator_actions import AuditAction, AuditEntry
from intake.delivery import Delivery, DeliveryStatus, deliver_event


async def replay_webhook(parts: Parts, provider: str, event_id: str, actor: str, role: str, reason: str) -> Delivery:
    """Delivers a stored webhook again and returns the result; DEFERRED if it is left to the relay.

    Writes an audit entry with the reason. Raises NotFound, CommandRefused with the code `erased` if the content was
    erased, StoreUnavailable.
    """
    row, now = await _load_webhook(parts, provider, event_id), parts.clock()
    delivery = await _deliver_again(parts, row, now)
    detail = {"reason": reason, "result": delivery.status.value, "why": delivery.reason}
    done = AuditEntry(
        actor=actor, role=role, action=AuditAction.WEBHOOK_REPLAYED, subject=f"{provider} {event_id}",
        detail={name: value for name, value in detail.items() if value},
    )  # fmt: skip
    async with parts.database.begin() as session:
        await operator_actions.record_entry(session, done, now)
        if delivery.status is DeliveryStatus.DEFERRED:
            await inbox.requeue_webhook(session, provider, event_id, now, delivery.reason or "deferred")
        else:
            outcome = WebhookOutcome(delivery.status.value)
            await inbox.conclude_redelivery(
                session, provider, event_id, outcome, now, reason=delivery.reason, recovery_id=delivery.recovery_id
            )
    if delivery.status is DeliveryStatus.DEFERRED:
        with contextlib.suppress(EngineUnavailable):
            await parts.recoveries.trigger_relay()
    return delivery


async def _load_webhook(parts: Parts, provider: str, event_id: str) -> dict[str, Any]:
    async with parts.database.begin() as session:
        row = await webhooks.load_webhook_row(session, provider, event_id)
    if row is None:
        raise NotFound("There is no such webhook.")
    if row["erased_at"] or not row["body"]:
        raise CommandRefused("erased", "Its content was erased, so there is nothing left to deliver.")
    return row


async def _deliver_again(parts: Parts, row: dict[str, Any], now: datetime) -> Delivery:
    """The result of the delivery; DEFERRED after an error of ours or a time-out, so that the relay tries again."""
    if row["event_type"] == UNREADABLE_TYPE:
        return await _ingest_again(parts, row, now)
    event = _renormalise_event(parts, row)
    if event is None:
        return Delivery(status=DeliveryStatus.IGNORED, reason="its content is not known any more")
    try:
        async with asyncio.timeout(DELIVER_WITHIN.total_seconds()):
            async with parts.database.begin() as session:
                (event,) = await parts.customer_ids.hide(session, event.provider, [event])
            scope = parts.webhook_store.current_scope()
            return await deliver_event(event, parts.database, parts.recoveries, now, scope=scope)
    except (RecoveryError, TimeoutError) as away:
        return Delivery(status=DeliveryStatus.DEFERRED, reason=str(away) or "nobody answered in time")


def _renormalise_event(parts: Parts, row: dict[str, Any]) -> ProviderEvent | None:
    """The event, normalised again from the body; if that fails, as it was stored. None if neither exists."""
    # From the body first, since this release may understand what the one that stored it did not.
    stored = ProviderEvent.model_validate(row["event"]) if row["event"] else None
    if row["provider"] not in parts.webhooks:
        return stored
    try:
        events = parts.webhooks[row["provider"]].normalise(row["body"])
    except Exception as error:
        structlog.get_logger("api").warning("a stored webhook can't be read now", why=type(error).__name__)
        return stored
    return next((event for event in events if event.event_id == row["event_id"]), stored)


async def _ingest_again(parts: Parts, row: dict[str, Any], now: datetime) -> Delivery:
    """Ingests a body that could not be read before, as if it arrived now; IGNORED if it still can't be read."""
    if row["provider"] not in parts.webhooks:
        return Delivery(status=DeliveryStatus.IGNORED, reason="webhooks of this provider are switched off")
    try:
        receipts = await ingest_verified(parts, row["provider"], row["body"], now)
    except RecoveryError as error:
        return Delivery(status=DeliveryStatus.IGNORED, reason=f"it still can't be read: {error}")
    fresh = [one for one in receipts if one.status != "duplicate"]
    if not fresh:
        return Delivery(status=DeliveryStatus.IGNORED, reason="it still can't be read, or is known by now")
    return Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=fresh[0].recovery_id)
