"""Delivers provider events to recoveries. Events from a test clock or a fast clock are moved to their arrival."""

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
from core.recovery.reactions import OPENING_KINDS, opens_recovery
from db.session import Database
from intake.recoveries import Recoveries
from intake.recovery_store import OpenInvoice, RecoveryStore

MOST_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may run ahead; within that its own order of events is worth more than ours."""


def shift_to_arrival(event: ProviderEvent, now: datetime) -> ProviderEvent:
    """The event with its times moved to our time line, all by as much, where its own line is another.

    So a delay counts from the arrival, and no recovery sleeps until next year or opens behind its own window.
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


INVOICE_KINDS: Final = OPENING_KINDS | {
    EventKind.INVOICE_PAID,
    EventKind.INVOICE_VOIDED,
    EventKind.INVOICE_UNCOLLECTIBLE,
    EventKind.PAYMENT_REFUNDED,
    EventKind.PAYMENT_REVERSED,
    EventKind.PAYMENT_RESTORED,
    EventKind.DISPUTE_INQUIRY,
    EventKind.WAKE,
}
"""Kinds that mean nothing without an invoice."""
CUSTOMER_KINDS: Final = frozenset({EventKind.METHOD_UPDATED, EventKind.SUBSCRIPTION_ENDED, EventKind.CUSTOMER_DELETED})
"""Kinds that concern every recovery of the customer."""
INVOICE_AND_CUSTOMER_KINDS: Final = frozenset({EventKind.DISPUTE_OPENED, EventKind.FRAUD_WARNING})
"""A disputed or suspected payment speaks for its invoice, and against charging this customer at all."""

SHIPPED_SCOPE_RULES: Final = ScopeRules()
ResolvePayment: TypeAlias = Callable[[ProviderEvent], Awaitable[ProviderEvent]]
"""Asks the provider whose payment it is. Raises ProviderUnavailable."""


class DeliveryStatus(StrEnum):
    """Result of a delivery."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    """It can't be decided here and now; the row must stay for the relay."""


class Delivery(Value):
    """The end of one delivery; `reason` is given for all that wasn't accepted."""

    status: DeliveryStatus
    reason: str | None = None
    recovery_id: str | None = None


def ignore_without_effect(event: ProviderEvent, scope: ScopeRules, now: datetime) -> Delivery | None:
    """The verdict on an event that concerns no recovery whatever, or whose invoice its own body puts out of scope.

    None where it must be delivered.
    """
    if opens_recovery(event) and (rule := find_scope_rule(event.terms, scope, now)):
        return _ignored_delivery(describe_scope_rule(rule))
    if _is_for_other_purchase(event, scope):
        return _ignored_delivery(
            "a stored method that is no default: the policy waits for one that becomes the default"
        )
    if event.kind is EventKind.RETRY_SCHEDULED:
        return _ignored_delivery(event.detail or "the provider's own schedule; every charge reads the invoice first")
    if event.kind not in INVOICE_KINDS | CUSTOMER_KINDS | INVOICE_AND_CUSTOMER_KINDS:
        return _ignored_delivery(event.detail or f"{event.event_type} has no effect on recoveries")
    if event.invoice_id or event.payment_id or (event.customer_id and _concerns_customer(event)):
        return None
    if event.subscription_id and event.kind is EventKind.SUBSCRIPTION_ENDED:
        return None  # its provider may know which period it is in
    return _ignored_delivery(
        "it names neither invoice nor payment" + ("" if event.kind in INVOICE_KINDS else " nor customer")
    )


def _concerns_customer(event: ProviderEvent) -> bool:
    """Whether it concerns more than the one invoice: a subscription whose collection goes on wakes all of its own."""
    of_subscription = event.kind is EventKind.WAKE and event.subscription_id and event.invoice_id is None
    return bool(of_subscription) or event.kind not in INVOICE_KINDS


def apply_write_off_rule(event: ProviderEvent, scope: ScopeRules) -> ProviderEvent:
    """A write-off that the policy doesn't take for the end is a reason to look, no more."""
    if event.kind is EventKind.INVOICE_UNCOLLECTIBLE and scope.uncollectible is UncollectibleHandling.WAIT:
        return event.model_copy(update={"kind": EventKind.WAKE})
    return event


def _is_for_other_purchase(event: ProviderEvent, scope: ScopeRules) -> bool:
    attached = event.kind is EventKind.METHOD_UPDATED and event.method_role is MethodRole.ATTACHED
    return attached and scope.attached is AttachedMethodHandling.WAIT_FOR_DEFAULT


async def deliver_event(
    event: ProviderEvent,
    db: Database,
    recoveries: Recoveries,
    now: datetime,
    resolve: ResolvePayment | None = None,
    scope: ScopeRules = SHIPPED_SCOPE_RULES,
) -> Delivery:
    """Deliver the event to the recoveries it concerns. Without `resolve`, one that needs a provider read is DEFERRED.

    Raises EngineUnavailable, StoreUnavailable, ProviderUnavailable: nothing is lost, try again later.
    """
    event = apply_write_off_rule(event, scope)
    return ignore_without_effect(event, scope, now) or await _EventDelivery(
        RecoveryStore(db), recoveries, now, resolve
    ).deliver_event(event)


@dataclass(frozen=True)
class _EventDelivery:
    store: RecoveryStore
    recoveries: Recoveries
    now: datetime
    resolve: ResolvePayment | None

    async def deliver_event(self, event: ProviderEvent) -> Delivery:
        if self._has_target(event):
            return await self._deliver_by_kind(event)
        found = await self.store.resolve_owner(event) or (await self.resolve(event) if self.resolve else None)
        if found is None:
            return Delivery(status=DeliveryStatus.DEFERRED, reason="only the provider knows whose payment this is")
        if not self._has_target(found):
            return _ignored_delivery("the provider knows no invoice or customer for this payment")
        return await self._deliver_by_kind(found)

    def _has_target(self, event: ProviderEvent) -> bool:
        """Whether it is known whom the event concerns."""
        return bool(event.invoice_id or (event.customer_id and _concerns_customer(event)))

    async def _deliver_by_kind(self, event: ProviderEvent) -> Delivery:
        if opens_recovery(event):
            return await self._start_recovery(event, event.invoice_id or "")
        answers = [await self._send_event(event, event.invoice_id)] if event.invoice_id else []
        if _concerns_customer(event):
            answers += [await self._send_event(event, aim.invoice_id) for aim in await self._other_invoices(event)]
        return _most_urgent(answers) or _ignored_delivery("no open recovery of this customer or subscription")

    async def _other_invoices(self, event: ProviderEvent) -> list[OpenInvoice]:
        aims = [aim for aim in await self.store.open_invoices(event, self.now) if aim.invoice_id != event.invoice_id]
        if event.kind not in {EventKind.SUBSCRIPTION_ENDED, EventKind.WAKE}:
            return aims
        return [aim for aim in aims if aim.subscription_id and aim.subscription_id == event.subscription_id]

    async def _start_recovery(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Start or signal the recovery, unless its log is closed: after its retention Temporal would start it again."""
        name = recovery_id(event.provider, invoice_id)
        stored = await self.store.load_recovery(name)
        if stored and stored.stage.is_final:
            return await self._append_late(event, invoice_id)
        try:
            await self.recoveries.start_recovery(event)
        except RunClosed:
            return await self._append_late(event, invoice_id)
        return _accepted_delivery(name)

    async def _send_event(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await self.recoveries.send_event(name, event)
        except NotFound:
            return await self._deliver_without_run(event, invoice_id)
        return _accepted_delivery(name)

    async def _deliver_without_run(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Deliver to a recovery without a run: closed, run lost, not begun yet, or never existing."""
        stored = await self.store.load_recovery(recovery_id(event.provider, invoice_id))
        if stored and stored.stage.is_final:
            return await self._append_late(event, invoice_id)
        if stored:
            return await self._restart_and_send(
                event, invoice_id, self.recoveries.ensure_running(event.provider, invoice_id)
            )
        if opening := await self.store.find_opening_failure(event.provider, invoice_id):
            return await self._restart_and_send(event, invoice_id, self.recoveries.start_recovery(opening))
        return _ignored_delivery("no recovery for this invoice")

    async def _restart_and_send(self, event: ProviderEvent, invoice_id: str, start: Awaitable[object]) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await start
            await self.recoveries.send_event(name, event)
        except RunClosed:
            return await self._append_late(event, invoice_id)
        except NotFound:
            return Delivery(
                status=DeliveryStatus.DEFERRED, reason="its recovery could not be started again", recovery_id=name
            )
        return _accepted_delivery(name)

    async def _append_late(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Append `event.late` and the like to a completed recovery; DEFERRED if its log has no end."""
        name = recovery_id(event.provider, invoice_id)
        stored = await self.store.load_recovery(name)
        if stored is None or not stored.stage.is_final:
            reason = "its run has completed in Temporal, but its log has no end"
            return Delivery(status=DeliveryStatus.DEFERRED, reason=reason, recovery_id=name)
        news = await self.store.append_late(invoice_id, event, self.now)
        told = "late" if news else "nothing new"
        return _ignored_delivery(f"{told}: this recovery has ended {stored.state.value}", name)


def _accepted_delivery(name: str) -> Delivery:
    return Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=name)


def _ignored_delivery(reason: str, name: str | None = None) -> Delivery:
    return Delivery(status=DeliveryStatus.IGNORED, reason=reason, recovery_id=name)


def _most_urgent(answers: Iterable[Delivery]) -> Delivery | None:
    """One result for all recoveries that an event concerns: DEFERRED before ACCEPTED before IGNORED.

    Of equal results the first stands, which is that of the event's own invoice.
    """
    order = (DeliveryStatus.DEFERRED, DeliveryStatus.ACCEPTED, DeliveryStatus.IGNORED)
    return min(answers, key=lambda answer: order.index(answer.status), default=None)
