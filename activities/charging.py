"""The only place that moves money. Order is everything here:

read the invoice fresh, commit `charge.requested` with key and parameters, call, commit the result. A repeat of the
activity, after whatever crash, finds the row and asks what became of it before it sends the same order again.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempt import ChargeAttempt
from activities.clock import ActivityClock
from activities.heartbeat import heartbeat_in_background
from activities.log import RecoveryLog
from activities.scope import SHIPPED_SCOPE, InvoiceScope
from catalog import network_rules
from core.contracts import NOT_ALLOWED, ChargeInput, ChargeReport, ReadInput, ReconcileInput
from core.errors import NotAllowed, ProviderUnavailable
from core.payments import FailureFacts
from core.retry import pay
from core.retry.ability import UNREADABLE_PROVIDER
from core.retry.fresh_look import announced_facts, reopen_returned_payment
from core.retry.network_rules import NetworkRules
from core.retry.recovery import Recovery
from providers.base import Gateway


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
            return pay.complete_facts(_mark_unreadable(announced_facts(recovery)), recovery)
        async with _provider_call():
            facts = await gateway.read_failure(recovery.invoice_id, None)
        view, now = reopen_returned_payment(recovery, facts.invoice), activity.info().started_time
        invoice = self._scope.judge_invoice(view, now, opening=recovery.segment is None)
        return pay.complete_facts(facts.model_copy(update={"invoice": invoice}), recovery)

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
