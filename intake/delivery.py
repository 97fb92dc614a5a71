"""Delivers provider events to recoveries. Times of a test clock, or of a clock that runs ahead, are shifted."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from core.base import Value
from core.collection_terms import CollectionTerms
from core.errors import NotFound, RunClosed
from core.ids import recovery_id
from core.payments import EventKind, MethodRole, ProviderEvent
from core.policy.scope import (
    AttachedMethodHandling,
    ScopeRules,
    UncollectibleHandling,
    describe_scope_rule,
    find_scope_rule,
)
from core.recovery.state import Recovery
from db.session import Database
from intake.recovery_runs import RecoveryRuns
from intake.recovery_store import RecoveryStore
from intake.targets import INVOICE_KINDS, KINDS_WITH_EFFECT, concerns_customer, list_targets, names_target

MOST_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may run ahead. Up to that its times are kept, because they hold its order of events."""


def shift_to_arrival(event: ProviderEvent, now: datetime) -> ProviderEvent:
    """The event with `occurred_at` set to `now`, and its other times shifted by the same length.

    Only for events of a provider's test clock and events more than five minutes in the future; others are returned
    unchanged. Delays then count from the arrival: no recovery sleeps until next year or opens after its own window.
    """
    if not event.simulated and event.occurred_at <= now + MOST_CLOCK_SKEW:
        return event
    shift = now - event.occurred_at
    moved = {
        "occurred_at": now,
        "next_provider_attempt": _shift_time(event.next_provider_attempt, shift),
        "terms": event.terms and _shift_terms(event.terms, shift),
    }
    return event.model_copy(update=moved)


def _shift_time(moment: datetime | None, shift: timedelta) -> datetime | None:
    return moment + shift if moment else None


def _shift_terms(terms: CollectionTerms, shift: timedelta) -> CollectionTerms:
    return terms.model_copy(update={"created_at": _shift_time(terms.created_at, shift)})


SHIPPED_SCOPE_RULES: Final = ScopeRules()
ResolvePayment: TypeAlias = Callable[[ProviderEvent], Awaitable[ProviderEvent]]
"""Reads at the provider which invoice and customer an event's payment belongs to. Raises ProviderUnavailable."""


class DeliveryStatus(StrEnum):
    """Result of a delivery."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    """It can't be delivered now; the row stays undelivered for the relay."""


class Delivery(Value):
    """Result of one delivery, with a `reason` for people unless it was accepted."""

    status: DeliveryStatus
    reason: str | None = None
    recovery_id: str | None = None


def ignore_without_effect(event: ProviderEvent, scope: ScopeRules, now: datetime) -> Delivery | None:
    """IGNORED with its reason for an event without effect on any recovery or with an invoice out of the policy's scope.

    None for an event that must be delivered. Decided from the event alone, without database or provider.
    """
    if event.opens_recovery and (rule := find_scope_rule(event.terms, scope, now)):
        return _ignored_delivery(describe_scope_rule(rule))
    if _is_for_other_purchase(event, scope):
        return _ignored_delivery(
            "a stored method that is no default: the policy waits for one that becomes the default"
        )
    if event.kind is EventKind.RETRY_SCHEDULED:
        return _ignored_delivery(event.detail or "the provider's own schedule; every charge reads the invoice first")
    if event.kind not in KINDS_WITH_EFFECT:
        return _ignored_delivery(event.detail or f"{event.event_type} has no effect on recoveries")
    if event.invoice_id or event.payment_id or (event.customer_id and concerns_customer(event)):
        return None
    if event.subscription_id and event.kind is EventKind.SUBSCRIPTION_ENDED:
        return None  # its provider may know which period it is in
    return _ignored_delivery(
        "it names neither invoice nor payment" + ("" if event.kind in INVOICE_KINDS else " nor customer")
    )


def apply_write_off_rule(event: ProviderEvent, scope: ScopeRules) -> ProviderEvent:
    """The event; a write-off becomes WAKE, a reason to read the invoice, if the policy does not end on write-offs."""
    if event.kind is EventKind.INVOICE_UNCOLLECTIBLE and scope.uncollectible is UncollectibleHandling.WAIT:
        return event.model_copy(update={"kind": EventKind.WAKE})
    return event


def _is_for_other_purchase(event: ProviderEvent, scope: ScopeRules) -> bool:
    attached = event.kind is EventKind.METHOD_UPDATED and event.method_role is MethodRole.ATTACHED
    return attached and scope.attached is AttachedMethodHandling.WAIT_FOR_DEFAULT


async def deliver_event(
    event: ProviderEvent,
    db: Database,
    recoveries: RecoveryRuns,
    now: datetime,
    resolve: ResolvePayment | None = None,
    scope: ScopeRules = SHIPPED_SCOPE_RULES,
) -> Delivery:
    """Delivers the event to the recoveries that it concerns, and returns the most urgent of their results.

    Without `resolve`, an event that needs a read at the provider is DEFERRED. Repeating a delivery is safe: a recovery
    acts once on the same event. Raises EngineUnavailable, StoreUnavailable, ProviderUnavailable: deliver again later.
    """
    event = apply_write_off_rule(event, scope)
    if result := ignore_without_effect(event, scope, now):
        return result
    delivery = EventDelivery(RecoveryStore(db), recoveries, now)
    owned = await delivery.find_owner(event, resolve)
    return owned if isinstance(owned, Delivery) else await delivery.deliver(owned)


@dataclass(frozen=True)
class EventDelivery:
    """Delivers one event to each recovery that it concerns."""

    store: RecoveryStore
    recoveries: RecoveryRuns
    now: datetime

    async def find_owner(self, event: ProviderEvent, resolve: ResolvePayment | None) -> ProviderEvent | Delivery:
        """The event with the invoice or customer that it concerns; a Delivery where nobody knows them, or only the
        provider does and there is no `resolve`. Raises ProviderUnavailable, StoreUnavailable.
        """
        if names_target(event):
            return event
        # Our own tables first: most payments are charges of ours, and a read at the provider costs a call.
        owned = await self.store.resolve_owner(event) or (await resolve(event) if resolve else None)
        if owned is None:
            return Delivery(status=DeliveryStatus.DEFERRED, reason="only the provider knows whose payment this is")
        unknown = "the provider knows no invoice or customer for this payment"
        return owned if names_target(owned) else _ignored_delivery(unknown)

    async def deliver(self, event: ProviderEvent) -> Delivery:
        """Starts or signals each recovery that the event concerns. Raises EngineUnavailable, StoreUnavailable."""
        if event.opens_recovery:
            return await self._start_recovery(event, event.invoice_id or "")
        targets = await list_targets(event, self.store, self.now)
        return _most_urgent([await self._send_event(event, invoice_id) for invoice_id in targets]) or _ignored_delivery(
            "no open recovery of this customer or subscription"
        )

    async def _start_recovery(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Starts or signals the recovery; for a closed one the event is late."""
        name = recovery_id(event.provider, invoice_id)
        # The log decides, not Temporal: once a closed workflow's retention is over, Temporal would start a second
        # recovery of the same invoice.
        stored = await self.store.load_recovery(name)
        if stored and stored.stage.is_final:
            return await self._append_late(event, stored)
        try:
            await self.recoveries.start_recovery(event)
        except RunClosed:
            return await self._append_if_closed(event, invoice_id)
        return _accepted_delivery(name)

    async def _send_event(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await self.recoveries.send_event(name, event)
        except NotFound:
            return await self._deliver_without_run(event, invoice_id)
        return _accepted_delivery(name)

    async def _deliver_without_run(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Delivers to a recovery without a run: closed, lost run, not started yet, or non-existent."""
        stored = await self.store.load_recovery(recovery_id(event.provider, invoice_id))
        if stored and stored.stage.is_final:
            return await self._append_late(event, stored)
        if stored:
            return await self._restart_and_send(
                event, invoice_id, self.recoveries.ensure_running(event.provider, invoice_id)
            )
        # Events can overtake each other: the failure may be stored and not delivered yet. It starts the recovery first,
        # or this event would be ignored.
        if opening := await self.store.find_opening_failure(event.provider, invoice_id):
            return await self._restart_and_send(event, invoice_id, self.recoveries.start_recovery(opening))
        return _ignored_delivery("no recovery for this invoice")

    async def _restart_and_send(self, event: ProviderEvent, invoice_id: str, start: Awaitable[object]) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await start
            await self.recoveries.send_event(name, event)
        except RunClosed:
            return await self._append_if_closed(event, invoice_id)
        except NotFound:
            return Delivery(
                status=DeliveryStatus.DEFERRED, reason="its recovery could not be started again", recovery_id=name
            )
        return _accepted_delivery(name)

    async def _append_if_closed(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """As `_append_late` for a recovery whose run has completed; DEFERRED if its log has no end."""
        name = recovery_id(event.provider, invoice_id)
        stored = await self.store.load_recovery(name)
        if stored and stored.stage.is_final:
            return await self._append_late(event, stored)
        reason = "its run has completed in Temporal, but its log has no end"
        return Delivery(status=DeliveryStatus.DEFERRED, reason=reason, recovery_id=name)

    async def _append_late(self, event: ProviderEvent, closed: Recovery) -> Delivery:
        """Appends `event.late` or a late payment to a closed recovery."""
        news = await self.store.append_late(closed.invoice_id, event, self.now)
        effect = "late" if news else "nothing new"
        return _ignored_delivery(f"{effect}: this recovery has ended {closed.state.value}", closed.recovery_id)


def _accepted_delivery(name: str) -> Delivery:
    return Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=name)


def _ignored_delivery(reason: str, name: str | None = None) -> Delivery:
    return Delivery(status=DeliveryStatus.IGNORED, reason=reason, recovery_id=name)


def _most_urgent(answers: Iterable[Delivery]) -> Delivery | None:
    """One result for all recoveries that an event concerns: DEFERRED before ACCEPTED before IGNORED; None without any.

    Of equal results the first one counts, which is that of the event's own invoice.
    """
    # DEFERRED wins, so that the row stays: the next delivery reaches the missing recovery, and the others ignore it.
    order = (DeliveryStatus.DEFERRED, DeliveryStatus.ACCEPTED, DeliveryStatus.IGNORED)
    return min(answers, key=lambda answer: order.index(answer.status), default=None)
