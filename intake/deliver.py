"""What becomes of one stored webhook: it starts a recovery, reaches running ones, or is ignored with a reason.

Temporal is asked before the tables are: a recovery that started a moment ago runs already and has written nothing
yet. Every path may be walked twice for the same event (the API and the relay may overlap): starting, telling and
`event.late` are all safe to repeat.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from core.base import Value
from core.errors import NotFound, RunClosed
from core.ids import recovery_id
from core.payments import EventKind, MethodRole, ProviderEvent
from core.retry.reactions import OPENERS, opens_recovery
from core.retry.scope import AttachedMethod, ScopeRules, WrittenOff, out_of_scope, reason
from db.session import Database
from intake.known import Aim, Known
from intake.recoveries import Recoveries

OF_INVOICE: Final = OPENERS | {
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
OF_CUSTOMER: Final = frozenset({EventKind.METHOD_UPDATED, EventKind.SUBSCRIPTION_ENDED, EventKind.CUSTOMER_DELETED})
"""Kinds that concern every recovery of the customer."""
OF_BOTH: Final = frozenset({EventKind.DISPUTE_OPENED, EventKind.FRAUD_WARNING})
"""A disputed or suspected payment speaks for its invoice, and against charging this customer at all."""

SHIPPED: Final = ScopeRules()
Resolve: TypeAlias = Callable[[ProviderEvent], Awaitable[ProviderEvent]]
"""Asks the provider whose payment it is. Raises ProviderUnavailable."""


class Status(StrEnum):
    """How a delivery ended."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    """It can't be decided here and now; the row must stay for the relay."""


class Delivery(Value):
    """The end of one delivery; `reason` is given for all that wasn't accepted."""

    status: Status
    reason: str | None = None
    recovery_id: str | None = None


def without_effect(event: ProviderEvent, scope: ScopeRules, now: datetime) -> Delivery | None:
    """The verdict on an event that concerns no recovery whatever, or whose invoice its own body puts out of scope.

    None where it must be delivered.
    """
    if opens_recovery(event) and (rule := out_of_scope(event.terms, scope, now)):
        return _ignored(reason(rule))
    if _of_another_purchase(event, scope):
        return _ignored("a stored method that is no default: the policy waits for one that becomes the default")
    if event.kind is EventKind.RETRY_SCHEDULED:
        return _ignored(event.detail or "the provider's own schedule; every charge reads the invoice first")
    if event.kind not in OF_INVOICE | OF_CUSTOMER | OF_BOTH:
        return _ignored(event.detail or f"{event.event_type} has no effect on recoveries")
    if event.invoice_id or event.payment_id or (event.customer_id and _spreads(event)):
        return None
    if event.subscription_id and event.kind is EventKind.SUBSCRIPTION_ENDED:
        return None  # its provider may know which period it is in
    return _ignored("it names neither invoice nor payment" + ("" if event.kind in OF_INVOICE else " nor customer"))


def _spreads(event: ProviderEvent) -> bool:
    """Whether it concerns more than the one invoice: a subscription whose collection goes on wakes all of its own."""
    of_subscription = event.kind is EventKind.WAKE and event.subscription_id and event.invoice_id is None
    return bool(of_subscription) or event.kind not in OF_INVOICE


def as_the_policy_takes_it(event: ProviderEvent, scope: ScopeRules) -> ProviderEvent:
    """A write-off that the policy doesn't take for the end is a reason to look, no more."""
    if event.kind is EventKind.INVOICE_UNCOLLECTIBLE and scope.uncollectible is WrittenOff.WAIT:
        return event.model_copy(update={"kind": EventKind.WAKE})
    return event


def _of_another_purchase(event: ProviderEvent, scope: ScopeRules) -> bool:
    attached = event.kind is EventKind.METHOD_UPDATED and event.method_role is MethodRole.ATTACHED
    return attached and scope.attached is AttachedMethod.WAIT_FOR_DEFAULT


async def deliver(
    event: ProviderEvent,
    db: Database,
    recoveries: Recoveries,
    now: datetime,
    resolve: Resolve | None = None,
    scope: ScopeRules = SHIPPED,
) -> Delivery:
    """Bring the event to whom it concerns. Without `resolve`, what only the provider can tell is DEFERRED.

    Raises EngineUnavailable, StoreUnavailable, ProviderUnavailable: nothing is lost, try again later.
    """
    event = as_the_policy_takes_it(event, scope)
    return without_effect(event, scope, now) or await _Delivering(Known(db), recoveries, now, resolve).deliver(event)


@dataclass(frozen=True)
class _Delivering:
    known: Known
    recoveries: Recoveries
    now: datetime
    resolve: Resolve | None

    async def deliver(self, event: ProviderEvent) -> Delivery:
        if self._aimed(event):
            return await self._by_kind(event)
        found = await self.known.owner(event) or (await self.resolve(event) if self.resolve else None)
        if found is None:
            return Delivery(status=Status.DEFERRED, reason="only the provider knows whose payment this is")
        if not self._aimed(found):
            return _ignored("the provider knows no invoice or customer for this payment")
        return await self._by_kind(found)

    def _aimed(self, event: ProviderEvent) -> bool:
        """Whether it is known whom the event concerns."""
        return bool(event.invoice_id or (event.customer_id and _spreads(event)))

    async def _by_kind(self, event: ProviderEvent) -> Delivery:
        if opens_recovery(event):
            return await self._begin(event, event.invoice_id or "")
        answers = [await self._tell(event, event.invoice_id)] if event.invoice_id else []
        if _spreads(event):
            answers += [await self._tell(event, aim.invoice_id) for aim in await self._others(event)]
        return _summed(answers) or _ignored("no open recovery of this customer or subscription")

    async def _others(self, event: ProviderEvent) -> list[Aim]:
        aims = [aim for aim in await self.known.aims(event, self.now) if aim.invoice_id != event.invoice_id]
        if event.kind not in {EventKind.SUBSCRIPTION_ENDED, EventKind.WAKE}:
            return aims
        return [aim for aim in aims if aim.subscription_id and aim.subscription_id == event.subscription_id]

    async def _begin(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """A closed recovery is looked for first: Temporal forgets, and would start it anew."""
        name = recovery_id(event.provider, invoice_id)
        stored = await self.known.recovery(name)
        if stored and stored.stage.final:
            return await self._late(event, invoice_id)
        try:
            await self.recoveries.begin(event)
        except RunClosed:
            return await self._late(event, invoice_id)
        return _accepted(name)

    async def _tell(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await self.recoveries.tell(name, event)
        except NotFound:
            return await self._without_a_run(event, invoice_id)
        return _accepted(name)

    async def _without_a_run(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """Nothing runs: it has ended, its run was lost, it hasn't begun, or there never was one."""
        stored = await self.known.recovery(recovery_id(event.provider, invoice_id))
        if stored and stored.stage.final:
            return await self._late(event, invoice_id)
        if stored:
            return await self._revived(event, invoice_id, self.recoveries.resume(event.provider, invoice_id))
        if opening := await self.known.opening(event.provider, invoice_id):
            return await self._revived(event, invoice_id, self.recoveries.begin(opening))
        return _ignored("no recovery for this invoice")

    async def _revived(self, event: ProviderEvent, invoice_id: str, start: Awaitable[object]) -> Delivery:
        name = recovery_id(event.provider, invoice_id)
        try:
            await start
            await self.recoveries.tell(name, event)
        except RunClosed:
            return await self._late(event, invoice_id)
        except NotFound:
            return Delivery(status=Status.DEFERRED, reason="its recovery could not be started again", recovery_id=name)
        return _accepted(name)

    async def _late(self, event: ProviderEvent, invoice_id: str) -> Delivery:
        """The recovery has completed. Its log says so too, or something is badly wrong and a person must see it."""
        name = recovery_id(event.provider, invoice_id)
        stored = await self.known.recovery(name)
        if stored is None or not stored.stage.final:
            reason = "its run has completed in Temporal, but its log has no end"
            return Delivery(status=Status.DEFERRED, reason=reason, recovery_id=name)
        news = await self.known.append_late(invoice_id, event, self.now)
        told = "late" if news else "nothing new"
        return _ignored(f"{told}: this recovery has ended {stored.state.value}", name)


def _accepted(name: str) -> Delivery:
    return Delivery(status=Status.ACCEPTED, recovery_id=name)


def _ignored(reason: str, name: str | None = None) -> Delivery:
    return Delivery(status=Status.IGNORED, reason=reason, recovery_id=name)


def _summed(answers: Iterable[Delivery]) -> Delivery | None:
    """One answer for all recoveries that an event concerns: what must be tried again counts most.

    The event's own invoice comes first, so of equals its answer stands.
    """
    order = (Status.DEFERRED, Status.ACCEPTED, Status.IGNORED)
    return min(answers, key=lambda answer: order.index(answer.status), default=None)
