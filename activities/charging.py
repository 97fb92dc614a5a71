"""Activities that read and charge at a provider. No other module of the service charges a customer.

The order of steps keeps a charge single: read the invoice, commit `charge.requested` with its idempotency key and
parameters, call the provider, commit the result. A repeat of the activity after a crash finds the committed row and
reconciles that charge before it sends the same order again.
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
    """A monotonic clock that starts at the later of workflow time and the start of this activity attempt."""

    def __init__(self, workflow_now: datetime) -> None:
        self._began = max(workflow_now, activity.info().started_time)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        return self._began + timedelta(seconds=time.monotonic() - self._monotonic)


PROCESSING_RETRY_AFTER: Final = timedelta(minutes=5)
"""Delay before the retry of a manual or method-change charge while another payment of the invoice is processing."""


class ChargeAttempt:
    """One execution of a charge or reconcile activity, with the rows that it wrote or found.

    Its methods raise ProviderUnavailable when the provider gave no answer; the activity is then retried.
    """

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
        """The recovery with all committed rows folded in; an earlier execution may have added some to `before`."""
        self._written = await self._log.load_since(self._before)
        return fold_records(self._before, self._written)

    async def request_charge(self, order: ChargeInput) -> Recovery:
        """Commit `charge.requested`, or the row that says why the fresh read of the invoice forbids a charge."""
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
        """The invoice as the provider has it now, with `out_of_scope` set where the policy's scope excludes it."""
        view = reopen_returned_payment(self._before, await self._gateway.read_invoice(invoice_id))
        return self._scope.judge_invoice(view, self._clock.now(), opening=False)

    async def _reserve_attempt(self, request: Event, invoice: InvoiceView | None, now: datetime) -> tuple[Record, ...]:
        """Commit the request and its network ledger entry in one transaction, or the row that a limit forbids it."""
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
        """The card that the request would charge. The provider is read only if that may not be the card that failed."""
        before, method_id = self._before, request.read(ChargeRequested).method_id
        default = invoice.method.card if invoice and invoice.method and method_id is None else None
        if default and default.fingerprint:
            return default
        asked = method_id is not None or before.methods_seen or before.fingerprint is None
        return await self._gateway.read_card(before.invoice_id, method_id) if asked else default

    def _is_other_card(self, request: Event, read: Card | None) -> bool:
        """Whether the request charges another card than the one that failed; only that card's limits then apply."""
        before, method_id = self._before, request.read(ChargeRequested).method_id
        if method_id is not None:
            return bool(method_id != before.method_in_use)
        return bool(read and read.fingerprint and before.fingerprint not in {None, read.fingerprint})

    async def send_charge(self, recovery: Recovery, *, repeated: bool = False) -> ChargeReport:
        """Send the order in flight, under its stored idempotency key, and commit the result."""
        result = await self._call_provider(charge_events.order_in_flight(recovery))
        # A refusal of the repeat says nothing about the first request: without a read the charge stays unknown.
        if repeated and not self._gateway.can_read and charge_events.is_refused_unexecuted(result):
            result = ChargeResult(outcome=Outcome.UNKNOWN, reason="repeat_refused")
        return await self._commit_result(recovery, result, repeated=repeated)

    async def reconcile_charge(self, recovery: Recovery) -> ChargeReport:
        """Read the charge; if its outcome stays unknown, repeat it with the same key while the provider honours it."""
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
        """The rows written so far and, after a decline, the failure facts taken from them."""
        return ChargeReport(records=self._written, facts=charge_events.facts_from_decline(self._before, self._written))

    @property
    def is_own_request(self) -> bool:
        """Whether this execution committed the order in flight, and no result of it is written yet.

        A concurrent execution may have committed it and be sending it: the row then has that execution's time.
        """
        return [record.occurred_at for record in self._written] == [self._asked_at]

    async def _call_provider(self, order: ChargeOrder) -> ChargeResult:
        """The result. Raises ProviderUnavailable for a charge not executed; without keys it is NOT_CHARGED instead."""
        try:
            return await self._gateway.charge(order)
        except ProviderUnavailable:
            if self._gateway.idempotency is not None:
                raise
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason="not_executed")

    def _can_repeat(self, recovery: Recovery, order: ChargeOrder) -> bool:
        """Whether the order may be sent again: the key is still honoured, no ending is set, no part was paid since."""
        honoured, wanted = self._gateway.idempotency, recovery.ending is None and order.amount <= recovery.amount
        return wanted and honoured is not None and self._order_age(order) < honoured

    async def _is_still_chargeable(self, recovery: Recovery) -> bool:
        """Whether a fresh read allows a repeat: invoice in scope, not closed, not disputed, no payment processing."""
        if not self._gateway.can_read:
            return True
        invoice = await self._read_invoice(recovery.invoice_id)
        found = check_invoice(recovery.with_changes(in_flight=None), invoice, self._clock.now())
        # A paid invoice may have been paid by this very order; the repeat with the same key then returns that charge.
        return all(event.type is EventType.PAID_ELSEWHERE for event in found)

    def _is_given_up(self, recovery: Recovery, order: ChargeOrder) -> bool:
        """Whether neither a repeat nor a read can reconcile the charge any more: it then needs a manual review."""
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
        """Commit the result. An unknown outcome gets one row and, once given up, a row that asks for manual review."""
        now = self._clock.now()
        event = charge_events.charge_result_event(recovery, result, now, repeated=repeated, by_reading=by_reading)
        events: tuple[Event, ...] = (event,) if event else ()
        if result.outcome is Outcome.UNKNOWN and self._is_given_up(recovery, charge_events.order_in_flight(recovery)):
            events += (charge_events.manual_review_event(recovery, now),)
        if events:
            self._written += await self._log.append_events(recovery, events, now)
        return self.result_so_far()


class Charging:
    """Activities that call a provider. They run on its own task queue, whose rate stays below its API limits."""

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
        """Read invoice, decline, card, customer and risk; the facts of the event if the provider can't be read."""
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
        """Request, send and record one charge. A repeat reconciles the charge that an earlier execution requested."""
        async with _provider_call():
            attempt = self._open_attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            # Rows beyond the caller's state mean that an earlier execution committed: no second request then.
            if recovery.sequence == order.recovery.sequence:
                recovery = await attempt.request_charge(order)
                if recovery.in_flight and attempt.is_own_request:
                    return await attempt.send_charge(recovery)
            return await attempt.reconcile_charge(recovery) if recovery.in_flight else attempt.result_so_far()

    @activity.defn(name="settle_charge")  # the name is kept: histories hold it
    async def reconcile_charge(self, order: ReconcileInput) -> ChargeReport:
        """Reconcile the charge in flight. A charge that stays unknown adds no second `charge.unknown` row."""
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
    """The facts marked as complete for a provider that can't be read: its event held all there is."""
    return facts.model_copy(update={"missing": (UNREADABLE_PROVIDER,)})


@asynccontextmanager
async def _provider_call() -> AsyncIterator[None]:
    """Heartbeat during the call. NotAllowed becomes a final ApplicationError, ProviderUnavailable a retryable one."""
    try:
        async with heartbeat_in_background():
            yield
    except NotAllowed as refused:
        raise ApplicationError(str(refused), type=NOT_ALLOWED, non_retryable=True) from refused
    except ProviderUnavailable as away:
        raise ApplicationError(str(away), type="ProviderUnavailable", next_retry_delay=away.retry_after) from away
