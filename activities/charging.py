"""The only place that moves money. Order is everything here:

read the invoice fresh, commit `charge.requested` with key and parameters, call, commit the result. A repeat of the
activity, after whatever crash, finds the row and asks what became of it before it sends the same order again.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempt import Attempt
from activities.clock import ActivityClock
from activities.heartbeat import beating
from activities.log import Log
from catalog import network_rules
from core.contracts import Charged, ChargeInput, ReadInput, SettleInput
from core.errors import ProviderUnavailable
from core.payments import FailureFacts
from core.retry import pay
from core.retry.network_rules import NetworkRules
from core.retry.reactions import announced
from core.retry.recovery import Recovery
from providers.base import Gateway


class Charging:
    """Calls one provider. Runs on that provider's own task queue, paced below its limits."""

    def __init__(
        self, gateways: Mapping[str, Gateway], log: Log, limits: Callable[[], NetworkRules] = network_rules
    ) -> None:
        self._gateways = gateways
        self._log = log
        self._limits = limits

    @activity.defn
    async def read_failure(self, order: ReadInput) -> FailureFacts:
        """Invoice, decline, card, customer and risk as the provider knows them now."""
        gateway = self._gateway(order.recovery)
        if not gateway.can_read:
            return pay.completed(announced(order.recovery), order.recovery)
        async with _calling():
            return pay.completed(await gateway.read_failure(order.recovery.invoice_id, None), order.recovery)

    @activity.defn
    async def charge_invoice(self, order: ChargeInput) -> Charged:
        """Charge once, unless the invoice needs it no more or the provider is about to try by itself."""
        async with _calling():
            attempt = self._attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            if recovery.sequence == order.recovery.sequence:
                recovery = await attempt.request(order)
                if recovery.in_flight and attempt.just_requested:
                    return await attempt.send(recovery)
            return await attempt.find_out(recovery) if recovery.in_flight else attempt.so_far()

    @activity.defn
    async def settle_charge(self, order: SettleInput) -> Charged:
        """Find out what became of the charge in flight; writes nothing while nobody knows."""
        async with _calling():
            attempt = self._attempt(order.recovery, order.now)
            recovery = await attempt.catch_up()
            return await attempt.find_out(recovery) if recovery.in_flight else attempt.so_far()

    def _attempt(self, recovery: Recovery, now: datetime) -> Attempt:
        return Attempt(recovery, self._gateway(recovery), self._log, ActivityClock(now), self._limits)

    def _gateway(self, recovery: Recovery) -> Gateway:
        gateway = self._gateways.get(recovery.provider)
        if gateway is None:
            raise ApplicationError(f"{recovery.provider} has no API key here, so nothing can be read or charged")
        return gateway


@asynccontextmanager
async def _calling() -> AsyncIterator[None]:
    """Alive while the provider takes its time; what it surely did not execute, Temporal tries again."""
    try:
        async with beating():
            yield
    except ProviderUnavailable as away:
        raise ApplicationError(str(away), type="ProviderUnavailable", next_retry_delay=away.retry_after) from away
