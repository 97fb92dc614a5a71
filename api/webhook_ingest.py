"""Ingests webhooks: verifies, stores and delivers what can be delivered at once. Independent of HTTP."""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

import structlog
from pydantic import BaseModel, Field

from api.deps import Parts
from api.webhook_store import STORE_WITHIN, ReceivedBody, StoredEvent
from core.errors import InvalidInput, RecoveryError, StoreUnavailable
from core.ids import MAX_ID_LENGTH, find_id_problem, recovery_id
from core.messages.recipients import ContactUpdate
from core.payments import EventKind, ProviderEvent
from core.policy.scope import ScopeRules
from db.repositories import inbox
from db.repositories.inbox import StoredWebhook
from intake.delivery import Delivery, DeliveryStatus, apply_write_off_rule, deliver_event, shift_to_arrival
from intake.relay import record_delivery
from providers.base import Webhooks

DELIVER_WITHIN: Final = timedelta(seconds=5)
"""Time limit for the delivery behind the answer; after this the relay takes over (`inbox.HEAD_START`)."""
UNREADABLE_TYPE: Final = "unreadable"
"""Event type of a body that our code failed to read."""


class WebhookReceipt(BaseModel):
    """The answer for one event."""

    status: Literal["accepted", "duplicate", "ignored"] = Field(
        description="`accepted`: stored, and delivered behind the answer; `duplicate`: stored before; "
        "`ignored`: stored, and by its own words without effect: `reason` says why"
    )
    recovery_id: str | None = Field(None, description="the recovery that it starts or signals, if known yet")
    reason: str | None = Field(None, description="why it was ignored")


async def ingest_webhook(parts: Parts, provider: str, headers: Mapping[str, str], body: bytes) -> list[WebhookReceipt]:
    """Verifies and stores a webhook; returns one receipt per event of the body, all of them stored.

    Raises InvalidSignature for an unverified sender, InvalidInput for a body or an event id that can't be used,
    StoreUnavailable if the events could not be stored within four seconds; only a commit that was lost on the way may
    have stored them all the same. Otherwise nothing is stored.
    """
    now = parts.clock()
    parts.webhooks[provider].verify(headers, body, now)
    return await ingest_verified(parts, provider, body, now)


async def ingest_verified(parts: Parts, provider: str, body: bytes, now: datetime) -> list[WebhookReceipt]:
    """As `ingest_webhook`, for a body whose sender was verified before."""
    webhooks = parts.webhooks[provider]
    events, people = _normalise_body(webhooks, provider, body, now), _extract_contacts(webhooks, provider, body)
    stored = await parts.webhook_store.store(ReceivedBody(events, people, body, now))
    _start_deliveries(parts, stored, now)
    return [await _build_receipt(parts, one) for one in stored]


def _normalise_body(webhooks: Webhooks, provider: str, body: bytes, now: datetime) -> tuple[ProviderEvent, ...]:
    """The events of a verified body, times shifted and ids checked. Raises InvalidInput.

    A body that our code fails to read becomes one event of the type `unreadable`, so that it is kept and reported.
    """
    try:
        events = webhooks.normalise(body)
    except InvalidInput:
        raise
    except Exception as bug:
        structlog.get_logger("api").exception("a webhook could not be read", provider=provider)
        return (_unreadable_event(provider, body, now, type(bug).__name__),)
    if not events:
        raise InvalidInput("The body holds no events.")
    return tuple(_check_ids(shift_to_arrival(event, now)) for event in events)


def _extract_contacts(webhooks: Webhooks, provider: str, body: bytes) -> tuple[ContactUpdate, ...]:
    """The customers' contacts in a body, for providers without a way to read them later.

    Never raises: a recovery without contact goes on, and only its messages are not sent.
    """
    # Not isinstance: for a Protocol that takes longer than reading the body.
    if not hasattr(webhooks, "extract_contacts"):
        return ()
    try:
        found = webhooks.extract_contacts(body)
    except Exception as bug:  # only its type is logged, since its text may hold personal data
        structlog.get_logger("api").error("contacts could not be read", provider=provider, error=type(bug).__name__)
        return ()
    return tuple(one for one in found if not find_id_problem(one.customer_id) and not find_id_problem(one.invoice_id))


def _unreadable_event(provider: str, body: bytes, now: datetime, why: str) -> ProviderEvent:
    return ProviderEvent(
        provider=provider,
        event_id=f"{UNREADABLE_TYPE}-{hashlib.sha256(body).hexdigest()}",
        event_type=UNREADABLE_TYPE,
        kind=EventKind.OTHER,
        occurred_at=now,
        detail=f"it could not be read: {why}",
    )


def _check_ids(event: ProviderEvent) -> ProviderEvent:
    """The event, or one without effect if an id in it can't be used. Raises InvalidInput for an unusable event id."""
    if len(event.event_id) > MAX_ID_LENGTH or not event.event_id:
        raise InvalidInput("The event's id is empty or too long.")
    ids = (event.invoice_id, event.customer_id, event.subscription_id, event.payment_id)
    whys = [find_id_problem(known) for known in ids if known is not None]
    if not any(whys):
        return event
    names = {"provider": event.provider, "event_id": event.event_id, "event_type": event.event_type[:MAX_ID_LENGTH]}
    if event.customer_id is not None and not find_id_problem(event.customer_id):
        names["customer_id"] = event.customer_id  # so that it can be erased with them
    detail = "unfit: an id in it is empty, too long or not plain text"
    if event.invoice_id is not None and (why := find_id_problem(event.invoice_id)):
        detail = f"reference can't be taken: {why}"
    return ProviderEvent(**names, kind=EventKind.OTHER, occurred_at=event.occurred_at, detail=detail)


async def _build_receipt(parts: Parts, kept: StoredEvent) -> WebhookReceipt:
    """`ignored` is answered for what the event alone decides; what its recovery makes of it is in the inbox later."""
    if not kept.is_new:
        return await _duplicate_receipt(parts, kept.event)
    if kept.delivery:
        return WebhookReceipt(status="ignored", recovery_id=kept.delivery.recovery_id, reason=kept.delivery.reason)
    return WebhookReceipt(status="accepted", recovery_id=_expected_recovery_id(kept.event), reason=None)


async def _duplicate_receipt(parts: Parts, event: ProviderEvent) -> WebhookReceipt:
    stored: StoredWebhook | None = None
    # The event is stored, which is all that its sender must know; the look-up only adds recovery and reason.
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        stored = await parts.background.run_within(STORE_WITHIN, _load_stored(parts, event))
    known = stored.recovery_id if stored else None
    return WebhookReceipt(
        status="duplicate", recovery_id=known or _expected_recovery_id(event), reason=stored.reason if stored else None
    )


async def _load_stored(parts: Parts, event: ProviderEvent) -> StoredWebhook | None:
    async with parts.database.begin() as session:
        return await inbox.load_webhook(session, event.provider, event.event_id)


def _expected_recovery_id(event: ProviderEvent) -> str | None:
    """The id of the recovery that a failed payment will start or reach; None for other events."""
    opens = event.opens_recovery and event.invoice_id
    return recovery_id(event.provider, event.invoice_id) if opens and event.invoice_id else None


def _start_deliveries(parts: Parts, stored: Sequence[StoredEvent], now: datetime) -> None:
    """Begins the delivery of every new event behind the answer; what is not begun here is the relay's."""
    for event, is_new, delivery in stored:
        if is_new and delivery is None:
            about = event.invoice_id or event.customer_id or event.payment_id or event.event_id
            parts.deliveries.start(f"{event.provider} {about}", partial(_deliver_or_leave, parts, event, now))


async def _deliver_or_leave(parts: Parts, event: ProviderEvent, now: datetime) -> None:
    """Delivers the event, or leaves it to the relay. Never raises: the event is stored in the inbox."""
    try:
        async with asyncio.timeout(DELIVER_WITHIN.total_seconds()):
            scope = parts.webhook_store.current_scope()
            delivery = await deliver_event(event, parts.database, parts.recoveries, now, scope=scope)
            await _note_delivery(parts, event, delivery, scope, now)
    except (RecoveryError, TimeoutError) as away:
        parts.deliveries.report_left(str(away) or "time-out")
    except Exception:
        structlog.get_logger("api").exception("a webhook could not be delivered", event_id=event.event_id)


async def _note_delivery(
    parts: Parts, event: ProviderEvent, delivery: Delivery, scope: ScopeRules, now: datetime
) -> None:
    """What the inbox must know now. An event that a run took is delivered once that run has written it in its log."""
    if delivery.status is DeliveryStatus.DEFERRED:
        return await parts.recoveries.trigger_relay()
    taken = delivery.status is DeliveryStatus.ACCEPTED
    if taken and apply_write_off_rule(event, scope).kind is not EventKind.WAKE:
        return None
    async with parts.database.begin() as session:
        if taken:
            await inbox.mark_handed_over(session, event.provider, event.event_id, now)
        else:
            await record_delivery(session, event.provider, event.event_id, delivery, now)
    return None
