"""The only place that moves money. Order is everything here:

read the invoice fresh, commit `charge.requested` with key and parameters, call, commit the result. A repeat of the
activity, after whatever crash, finds the row and asks what became of it before it sends the same order again.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeat_in_background
from catalog import network_rules
from core.card_networks.rules import NetworkRules
from core.classification.taxonomy import Chargeability
from core.contracts import NOT_ALLOWED, ChargeInput, ChargeReport, ReadInput, ReconcileInput
from core.errors import NotAllowed, ProviderUnavailable
from core.events import Event, EventType, Record, Trigger
from core.events.money_data import ChargeRequested
from core.payments import Card, ChargeOrder, ChargeResult, FailureFacts, InvoiceView, Outcome
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from core.recovery import charge_events
from core.recovery.chargeability import UNREADABLE_PROVIDER, is_not_card
from core.recovery.invoice_check import announced_facts, check_invoice, reopen_returned_payment
from core.recovery.machine import fold_records
from core.recovery.network_check import check_network_limits, credential_to_charge
from core.recovery.state import Recovery
from db.recovery_log import RecoveryLog
from providers.base import Gateway


class ActivityClock:
    """Starts where the workflow or this attempt of the activity did, whichever is later, and goes on from there."""

    def __init__(self, workflow_now: datetime) -> None:
        self._began = max(workflow_now, activity.info().started_time)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return self._began + timedelta(seconds=time.monotonic() - self._monotonic)


PROCESSING_RETRY_AFTER: Final = timedelta(minutes=5)
"""How soon a payment that somebody else began may be over."""


class ChargeAttempt:
    """Knows what is written and what time it is. Raises ProviderUnavailable where nothing was found out."""

    def __init__(
        self,
        before: Recovery,
        gateway: Gateway,
        log: RecoveryLog,
        clock: ActivityClock,
        limits: Callable[[], NetworkRules] = network_rules,
        scope: InvoiceScope = SHIPPED_SCOPE,
    ) -> None:
        self._gateway = gateway
        self._scope = scope
        self._limits = limits
        self._log = log
        self._clock = clock
        self._before = before
        self._written: tuple[Record, ...] = ()
        self._asked_at: datetime | None = None

    async def catch_up(self) -> Recovery:
        """The recovery as the log has it by now: an earlier execution may have come further than its caller knows."""
        self._written = await self._log.load_since(self._before)
        return fold_records(self._before, self._written)

    async def request_charge(self, order: ChargeInput) -> Recovery:
        """Commit the intention to charge, or what a fresh look at the invoice says against it."""
        before = self._before
        invoice = await self._read_invoice(before.invoice_id) if self._gateway.can_read else None
        if invoice and invoice.processing and order.trigger != Trigger.SCHEDULED and before.rules == 1:
            raise ProviderUnavailable(
                "a payment of this invoice is under way at the provider", retry_after=PROCESSING_RETRY_AFTER
            )
        now = self._asked_at = self._clock.now()
        events = charge_events.request_charge(
            before, invoice or announced_facts(before).invoice, Trigger(order.trigger), order.method_id, now
        )
        if events[-1].type is EventType.CHARGE_REQUESTED:
            self._written = await self._reserve_attempt(events[-1], invoice, now)
        else:
            self._written = await self._log.append_events(before, events, now)
        return fold_records(before, self._written)

    async def _read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, held against the policy's scope."""
        view = reopen_returned_payment(self._before, await self._gateway.read_invoice(invoice_id))
        return self._scope.judge_invoice(view, self._clock.now(), opening=False)

    async def _reserve_attempt(self, request: Event, invoice: InvoiceView | None, now: datetime) -> tuple[Record, ...]:
        """The request with one of the card's tries taken in the same transaction, or what the networks say to it."""
        before, rules = self._before, self._limits()
        read = await self._read_card(request, invoice)
        if read and is_not_card(read):
            wanted = request.read(ChargeRequested)
            skipped = charge_events.unchargeable_event(
                before, Chargeability.NOT_A_CARD, wanted.trigger, wanted.method_id, now
            )
            return await self._log.append_events(before, (skipped,), now)
        card = credential_to_charge(before, request, read, other=self._is_other_card(request, read))
        return await self._log.reserve_attempt(
            before, card, rules, partial(check_network_limits, before, request, card, rules), now
        )

    async def _read_card(self, request: Event, invoice: InvoiceView | None) -> Card | None:
        """The card that the request would charge. The provider is asked only where it may be another than failed."""
        before, method_id = self._before, request.read(ChargeRequested).method_id
        default = invoice.method.card if invoice and invoice.method and method_id is None else None
        if default and default.fingerprint:
            return default
        asked = method_id is not None or before.methods_seen or before.fingerprint is None
        return await self._gateway.read_card(before.invoice_id, method_id) if asked else default

    def _is_other_card(self, request: Event, read: Card | None) -> bool:
        """Whether the request charges another card than the recovery knows: then it has that card's limits alone."""
        before, method_id = self._before, request.read(ChargeRequested).method_id
        if method_id is not None:
            return bool(method_id != before.method_in_use)
        return bool(read and read.fingerprint and before.fingerprint not in {None, read.fingerprint})

    async def send_charge(self, recovery: Recovery, *, repeated: bool = False) -> ChargeReport:
        """Send the order in flight and commit the answer."""
        result = await self._call_provider(charge_events.order_in_flight(recovery))
        if repeated and not self._gateway.can_read and charge_events.is_refused_unexecuted(result):
            result = ChargeResult(outcome=Outcome.UNKNOWN, reason="repeat_refused")
        return await self._commit_result(recovery, result, repeated=repeated)

    async def reconcile_charge(self, recovery: Recovery) -> ChargeReport:
        """Read first; what reading can't settle is sent again with the same key while the provider honours it."""
        order = charge_events.order_in_flight(recovery)
        result = await self._read_result(order)
        if (
            result.outcome is Outcome.UNKNOWN
            and self._can_repeat(recovery, order)
            and await self._is_still_chargeable(recovery)
        ):
            return await self.send_charge(recovery, repeated=True)
        return await self._commit_result(recovery, result, by_reading=True)

    def result_so_far(self) -> ChargeReport:
        """What is written, and what it says of a decline."""
        return ChargeReport(records=self._written, facts=charge_events.facts_from_decline(self._before, self._written))

    @property
    def is_own_request(self) -> bool:
        """Whether the order in flight is this execution's own and nothing happened to it yet.

        Another execution may have been quicker, and may be sending it: the row then carries its time, not ours.
        """
        return [record.occurred_at for record in self._written] == [self._asked_at]

    async def _call_provider(self, order: ChargeOrder) -> ChargeResult:
        """The answer. What surely wasn't executed is sent again later, or, where that is never done, is over."""
        try:
            return await self._gateway.charge(order)
        except ProviderUnavailable:
            if self._gateway.idempotency is not None:
                raise
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason="not_executed")

    def _can_repeat(self, recovery: Recovery, order: ChargeOrder) -> bool:
        """The repeat may be the one that charges: none after a cancel, a dispute, a payment elsewhere or a part."""
        honoured, wanted = self._gateway.idempotency, recovery.ending is None and order.amount <= recovery.amount
        return wanted and honoured is not None and self._order_age(order) < honoured

    async def _is_still_chargeable(self, recovery: Recovery) -> bool:
        """Whether a fresh read says nothing against a repeat: not ours any more, over, disputed, money on its way."""
        if not self._gateway.can_read:
            return True
        invoice = await self._read_invoice(recovery.invoice_id)
        found = check_invoice(recovery.with_changes(in_flight=None), invoice, self._clock.now())
        return all(event.type is EventType.PAID_ELSEWHERE for event in found)  # what was paid may be by this very order

    def _is_given_up(self, recovery: Recovery, order: ChargeOrder) -> bool:
        """Whether neither a repeat nor a look will settle it any more; who has keys and can be read always will."""
        if self._gateway.can_read and self._gateway.idempotency is not None:
            return False
        return self._order_age(order) >= charge_events.UNKNOWN_CHARGE_DEADLINE and not self._can_repeat(recovery, order)

    def _order_age(self, order: ChargeOrder) -> timedelta:
        return self._clock.now() - order.requested_at

    async def _read_result(self, order: ChargeOrder) -> ChargeResult:
        if not self._gateway.can_read:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_readable")
        return await self._gateway.reconcile(order)

    async def _commit_result(
        self, recovery: Recovery, result: ChargeResult, *, repeated: bool = False, by_reading: bool = False
    ) -> ChargeReport:
        """Commit the result. A charge that stays unknown is written down once, and handed over in the end."""
        now = self._clock.now()
        event = charge_events.charge_result_event(recovery, result, now, repeated=repeated, by_reading=by_reading)
        events: tuple[Event, ...] = (event,) if event else ()
        if result.outcome is Outcome.UNKNOWN and self._is_given_up(recovery, charge_events.order_in_flight(recovery)):
            events += (charge_events.manual_review_event(recovery, now),)
        if events:
            self._written += await self._log.append_events(recovery, events, now)
        return self.result_so_far()


class Charging:
    """Calls one provider. Runs on that provider's own task queue, paced below its limits."""

    def __init__(
        self,
        gateways: Mapping[str, Gateway],
        log: RecoveryLog,
        limits: Callable[[], NetworkRules] = network_rules,
        scope: InvoiceScope = SHIPPED_SCOPE,
    ) -> None:
        self._gateways = gateways
        self._scope = scope
        self._log = log
        self._limits = limits

    @activity.defn
    async def read_failure(self, order: ReadInput) -> FailureFacts:
        """Invoice, decline, card, customer and risk as the provider knows them now."""
        recovery, gateway = order.recovery, self._find_gateway(order.recovery)
        if not gateway.can_read:
            return charge_events.complete_facts(_mark_unreadable(announced_facts(recovery)), recovery)
        async with _provider_call():
            facts = await gateway.read_failure(recovery.invoice_id, None)
        view, now = reopen_returned_payment(recovery, facts.invoice), activity.info().started_time
        invoice = self._scope.judge_invoice(view, now, opening=recovery.segment is None)
        return charge_events.complete_facts(facts.model_copy(update={"invoice": invoice}), recovery)

    @activity.defn
    async def charge_invoice(self, order: ChargeInput) -> ChargeReport:
        """Charge once, unless the invoice needs it no more or the provider is about to try by itself."""
        async with _provider_call():
            attempt = self._open_attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            if recovery.sequence == order.recovery.sequence:
                recovery = await attempt.request_charge(order)
                if recovery.in_flight and attempt.is_own_request:
                    return await attempt.send_charge(recovery)
            return await attempt.reconcile_charge(recovery) if recovery.in_flight else attempt.result_so_far()

    @activity.defn(name="settle_charge")
    async def reconcile_charge(self, order: ReconcileInput) -> ChargeReport:
        """Find out what became of the charge in flight; writes nothing while nobody knows."""
        async with _provider_call():
            attempt = self._open_attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            return await attempt.reconcile_charge(recovery) if recovery.in_flight else attempt.result_so_far()

    def _open_attempt(self, recovery: Recovery, now: datetime) -> ChargeAttempt:
        return ChargeAttempt(
            recovery, self._find_gateway(recovery), self._log, ActivityClock(now), self._limits, self._scope
        )

    def _find_gateway(self, recovery: Recovery) -> Gateway:
        gateway = self._gateways.get(recovery.provider)
        if gateway is None:
            why = f"{recovery.provider} has no API key here, so nothing can be read or charged"
            raise ApplicationError(why, type=NOT_ALLOWED, non_retryable=True)
        return gateway


def _mark_unreadable(facts: FailureFacts) -> FailureFacts:
    """Nothing is missing that could be had: this provider's event has said all there is."""
    return facts.model_copy(update={"missing": (UNREADABLE_PROVIDER,)})


@asynccontextmanager
async def _provider_call() -> AsyncIterator[None]:
    """Alive while the provider takes its time; what it surely did not execute, Temporal tries again."""
    try:
        async with heartbeat_in_background():
            yield
    except NotAllowed as refused:
        raise ApplicationError(str(refused), type=NOT_ALLOWED, non_retryable=True) from refused
    except ProviderUnavailable as away:
        raise ApplicationError(str(away), type="ProviderUnavailable", next_retry_delay=away.retry_after) from away
