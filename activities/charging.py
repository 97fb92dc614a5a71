"""Activities that read and charge at a provider. No other module of the service charges a customer.

The order of steps keeps a charge single: read the invoice, commit `charge.requested` with its idempotency key and
parameters, call the provider, commit the result. A repeat of the activity after a crash finds the committed row and
reconciles that charge before it sends the same order again.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import provider_call
from catalog import network_rules
from core.card_networks.rules import NetworkRules
from core.classification.taxonomy import Chargeability
from core.contracts import NOT_ALLOWED, ChargeInput, ChargeReport, ReadInput, ReconcileInput
from core.durations import REAL_TIME, TimeScale
from core.errors import ProviderUnavailable
from core.events import Event, EventType, Record, Trigger
from core.events.money_data import ChargeRequested
from core.payments import Card, ChargeOrder, ChargeResult, FailureFacts, InvoiceView, Outcome
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from core.recovery import charge_events
from core.recovery.chargeability import UNREADABLE_PROVIDER, is_not_card
from core.recovery.invoice_check import announced_facts, check_invoice, reopen_returned_payment
from core.recovery.machine import fold_records
from core.recovery.network_check import check_network_limits, credential_to_charge, is_other_card
from core.recovery.state import Recovery
from core.recovery.unknown_charges import (
    MAX_SEND_DELAY,
    ProviderAbilities,
    can_repeat,
    is_answer_due,
    is_given_up,
    scaled_request,
    silence_result,
)
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
        time_scale: TimeScale = REAL_TIME,
    ) -> None:
        self._gateway = gateway
        self._provider = ProviderAbilities(
            idempotency=gateway.idempotency,
            can_read=gateway.can_read,
            longest_request=scaled_request(gateway.longest_request, time_scale),
        )
        self._scope, self._limits = scope, limits
        self._log, self._clock, self._before = log, clock, before
        self._written: tuple[Record, ...] = ()
        self._asked_at: datetime | None = None
        self._reserving_since: datetime | None = None

    async def catch_up(self) -> Recovery:
        """The recovery with all committed rows folded in; an earlier execution may have added some to `before`."""
        self._written = await self._log.load_since(self._before)
        return fold_records(self._before, self._written)

    async def request_charge(self, order: ChargeInput) -> Recovery:
        """Commit `charge.requested`, or why the fresh read forbids it; return the rows of an earlier execution."""
        before = self._before
        invoice = await self._read_invoice(before.invoice_id) if self._gateway.can_read else None
        if invoice and invoice.processing and order.trigger != Trigger.SCHEDULED and before.rules == 1:
            # It may be the charge that an earlier execution requested: that one is reconciled, not waited for.
            if (caught_up := await self.catch_up()).sequence > before.sequence:
                return caught_up
            why = "a payment of this invoice is under way at the provider"
            raise ProviderUnavailable(why, retry_after=PROCESSING_RETRY_AFTER)
        now = self._asked_at = self._clock.now()
        view, trigger = invoice or announced_facts(before).invoice, Trigger(order.trigger)
        events = charge_events.request_charge(
            before, view, trigger, order.method_id, now, longest_request=self._provider.longest_request
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
        before, rules, read = self._before, self._limits(), await self._read_card(request, invoice)
        if read and is_not_card(read):
            wanted = request.read(ChargeRequested)
            skipped = charge_events.unchargeable_event(
                before, Chargeability.NOT_A_CARD, wanted.trigger, wanted.method_id, now
            )
            return await self._log.append_events(before, (skipped,), now)
        card = credential_to_charge(before, request, read, other=is_other_card(before, request, read))
        self._reserving_since = self._clock.now()
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

    async def send_charge(self, recovery: Recovery, *, repeated: bool = False) -> ChargeReport:
        """Send the order in flight, under its stored idempotency key, and commit the result."""
        result = await self._call_provider(charge_events.order_in_flight(recovery), repeated=repeated)
        # A refusal of the repeat says nothing about the first request: without a read the charge stays unknown.
        if repeated and not self._gateway.can_read and charge_events.is_refused_unexecuted(result):
            result = ChargeResult(outcome=Outcome.UNKNOWN, reason="repeat_refused")
        return await self._commit_result(recovery, result, repeated=repeated)

    async def reconcile_charge(self, recovery: Recovery, last_sent_by: datetime | None = None) -> ChargeReport:
        """Read the charge; if its outcome stays unknown, repeat it with the same key while the provider honours it.

        Once an ending is set, nothing is repeated: reads alone decide. `last_sent_by`: see `ReconcileInput`.
        """
        due = is_answer_due(recovery, self._provider, self._clock.now(), last_sent_by)
        result = await self._read_result(charge_events.order_in_flight(recovery))
        unknown = result.outcome is Outcome.UNKNOWN
        if unknown and self._can_repeat(recovery) and await self._is_still_chargeable(recovery):
            return await self._repeat_charge(recovery)
        result = silence_result(result, due=due)
        return await self._commit_result(recovery, result, by_reading=True, due=due)

    async def _repeat_charge(self, recovery: Recovery) -> ChargeReport:
        """Send the order again, unless the log has rows by now that this execution didn't know when it began."""
        # This worker may have been stopped since it read the log: an operator may have canceled meanwhile.
        if newer := await self._log.load_since(recovery):
            self._written += newer
            return self.result_so_far()
        return await self.send_charge(recovery, repeated=True)

    def result_so_far(self) -> ChargeReport:
        """The rows written so far and, after a decline, the failure facts taken from them."""
        return ChargeReport(records=self._written, facts=charge_events.facts_from_decline(self._before, self._written))

    @property
    def is_own_request(self) -> bool:
        """Whether this execution committed the order in flight, and no result of it is written yet.

        A concurrent execution may have committed it and be sending it: the row then has that execution's time.
        """
        return [record.occurred_at for record in self._written] == [self._asked_at]

    async def _call_provider(self, order: ChargeOrder, *, repeated: bool) -> ChargeResult:
        """The result. Raises ProviderUnavailable for a charge not executed; without keys it is NOT_CHARGED instead."""
        try:
            since = self._reserving_since
            if not repeated and since and self._clock.now() - since > MAX_SEND_DELAY:
                raise ProviderUnavailable("the request was committed too long ago to be sent now")
            return await self._gateway.charge(order)
        except ProviderUnavailable:
            if self._gateway.idempotency is not None:
                raise
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason="not_executed")

    def _can_repeat(self, recovery: Recovery) -> bool:
        return can_repeat(recovery, self._provider, self._clock.now())

    async def _is_still_chargeable(self, recovery: Recovery) -> bool:
        """Whether a fresh read allows a repeat: invoice in scope, not closed, not disputed, no payment processing."""
        if not self._gateway.can_read:
            return True
        invoice = await self._read_invoice(recovery.invoice_id)
        found = check_invoice(recovery.with_changes(in_flight=None), invoice, self._clock.now())
        # A paid invoice may have been paid by this very order; the repeat with the same key then returns that charge.
        return all(event.type is EventType.PAID_ELSEWHERE for event in found)

    async def _read_result(self, order: ChargeOrder) -> ChargeResult:
        if not self._gateway.can_read:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_readable")
        return await self._gateway.reconcile(order)

    async def _commit_result(
        self,
        recovery: Recovery,
        result: ChargeResult,
        *,
        repeated: bool = False,
        by_reading: bool = False,
        due: bool = False,
    ) -> ChargeReport:
        """Commit the result. An unknown outcome gets one row and, once given up, a row that asks for manual review."""
        now = self._clock.now()
        event = charge_events.charge_result_event(recovery, result, now, repeated=repeated, by_reading=by_reading)
        events: tuple[Event, ...] = (event,) if event else ()
        if result.outcome is Outcome.UNKNOWN and is_given_up(recovery, self._provider, now, due=due):
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
        time_scale: TimeScale = REAL_TIME,
    ) -> None:
        self._gateways = gateways
        self._time_scale = time_scale
        self._scope = scope
        self._log = log
        self._limits = limits

    @activity.defn
    async def read_failure(self, order: ReadInput) -> FailureFacts:
        """Read invoice, decline, card, customer and risk; the facts of the event if the provider can't be read."""
        recovery, gateway = order.recovery, self._find_gateway(order.recovery)
        if not gateway.can_read:
            return charge_events.complete_facts(_mark_unreadable(announced_facts(recovery)), recovery)
        async with provider_call():
            facts = await gateway.read_failure(recovery.invoice_id, None)
        view, now = reopen_returned_payment(recovery, facts.invoice), activity.info().started_time
        invoice = self._scope.judge_invoice(view, now, opening=recovery.segment is None)
        return charge_events.complete_facts(facts.model_copy(update={"invoice": invoice}), recovery)

    @activity.defn
    async def charge_invoice(self, order: ChargeInput) -> ChargeReport:
        """Request, send and record one charge. A repeat reconciles the charge that an earlier execution requested."""
        async with provider_call():
            attempt = self._open_attempt(order.recovery, order.now)
            # It reads the log where it commits: rows beyond the caller's state are an earlier execution's.
            recovery = await attempt.request_charge(order)
            if recovery.in_flight and attempt.is_own_request:
                return await attempt.send_charge(recovery)
            return await attempt.reconcile_charge(recovery) if recovery.in_flight else attempt.result_so_far()

    @activity.defn(name="settle_charge")  # the name is kept: histories hold it
    async def reconcile_charge(self, order: ReconcileInput) -> ChargeReport:
        """Reconcile the charge in flight. A charge that stays unknown adds no second `charge.unknown` row."""
        async with provider_call():
            attempt = self._open_attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            if recovery.in_flight is None:
                return attempt.result_so_far()
            return await attempt.reconcile_charge(recovery, order.last_sent_by)

    def _open_attempt(self, recovery: Recovery, now: datetime) -> ChargeAttempt:
        gateway, clock = self._find_gateway(recovery), ActivityClock(now)
        return ChargeAttempt(recovery, gateway, self._log, clock, self._limits, self._scope, self._time_scale)

    def _find_gateway(self, recovery: Recovery) -> Gateway:
        gateway = self._gateways.get(recovery.provider)
        if gateway is None:
            why = f"{recovery.provider} has no API key here, so nothing can be read or charged"
            raise ApplicationError(why, type=NOT_ALLOWED, non_retryable=True)
        return gateway


def _mark_unreadable(facts: FailureFacts) -> FailureFacts:
    """The facts marked as complete for a provider that can't be read: its event held all there is."""
    return facts.model_copy(update={"missing": (UNREADABLE_PROVIDER,)})
