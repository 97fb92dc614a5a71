"""The only place that moves money. Order is everything here:

read the invoice fresh, commit `charge.requested` with key and parameters, call, commit the result. A repeat of the
activity, after whatever crash, finds the row and asks what became of it before it sends the same order again.
"""

from collections.abc import Mapping
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import pay
from activities.heartbeat import beating
from activities.log import Log, after
from core.contracts import Charged, ChargeInput, ReadInput, SettleInput
from core.errors import ProviderUnavailable
from core.events import Record, Trigger
from core.payments import ChargeOrder, ChargeResult, FailureFacts, Outcome
from core.retry.reactions import announced
from core.retry.recovery import Recovery
from providers.base import Gateway


class Charging:
    """Calls one provider. Runs on that provider's own task queue, paced below its limits."""

    def __init__(self, gateways: Mapping[str, Gateway], log: Log) -> None:
        self._gateways = gateways
        self._log = log

    @activity.defn
    async def read_failure(self, order: ReadInput) -> FailureFacts:
        """Invoice, decline, card, customer and risk as the provider knows them now."""
        gateway = self._gateway(order.recovery)
        if not gateway.can_read:
            return announced(order.recovery)
        async with beating():
            try:
                facts = await gateway.read_failure(order.recovery.invoice_id, None)
            except ProviderUnavailable as away:
                raise _later(away) from away
        return pay.completed(facts, order.recovery)

    @activity.defn
    async def charge_invoice(self, order: ChargeInput) -> Charged:
        """Charge once, unless the invoice needs it no more or the provider is about to try by itself."""
        async with beating():
            written = await self._log.since(order.recovery)
            recovery = after(order.recovery, written)
            if not written:
                written = await self._request(order)
                recovery = after(order.recovery, written)
                if recovery.in_flight and len(written) == 1:
                    return await self._send(recovery, written, repeated=False)
            if recovery.in_flight:
                return await self._find_out(recovery, written)
            return Charged(records=written)

    @activity.defn
    async def settle_charge(self, order: SettleInput) -> Charged:
        """Find out what became of the charge in flight; writes nothing while nobody knows."""
        async with beating():
            written = await self._log.since(order.recovery)
            recovery = after(order.recovery, written)
            if recovery.in_flight is None:
                return Charged(records=written)
            return await self._find_out(recovery, written)

    def _gateway(self, recovery: Recovery) -> Gateway:
        gateway = self._gateways.get(recovery.provider)
        if gateway is None:
            raise ApplicationError(f"{recovery.provider} has no API key here, so nothing can be read or charged")
        return gateway

    async def _request(self, order: ChargeInput) -> tuple[Record, ...]:
        """Commit the intention to charge, or what speaks against it."""
        gateway, recovery, now = self._gateway(order.recovery), order.recovery, _now(order.now)
        try:
            invoice = await gateway.read_invoice(recovery.invoice_id) if gateway.can_read else None
        except ProviderUnavailable as away:
            raise _later(away) from away
        events = pay.checked(recovery, invoice or announced(recovery).invoice, Trigger(order.trigger), order, now)
        return await self._log.append(recovery, events, now)

    async def _send(self, recovery: Recovery, written: tuple[Record, ...], *, repeated: bool) -> Charged:
        sent = pay.in_flight(recovery)
        try:
            result = await self._gateway(recovery).charge(sent)
        except ProviderUnavailable as away:
            raise _later(away) from away
        return await self._conclude(recovery, written, result, repeated=repeated)

    async def _find_out(self, recovery: Recovery, written: tuple[Record, ...]) -> Charged:
        """Read first; what reading can't settle is sent again with the same key while the provider honours it."""
        order, gateway = pay.in_flight(recovery), self._gateway(recovery)
        result = await self._read_back(order, gateway)
        if result.outcome is not Outcome.UNKNOWN:
            return await self._conclude(recovery, written, result, repeated=False, by_reading=True)
        if gateway.idempotency and _now(order.requested_at) - order.requested_at < gateway.idempotency:
            return await self._send(recovery, written, repeated=True)
        return await self._conclude(recovery, written, result, repeated=False, by_reading=True)

    async def _read_back(self, order: ChargeOrder, gateway: Gateway) -> ChargeResult:
        if not gateway.can_read:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_readable")
        try:
            return await gateway.settle(order)
        except ProviderUnavailable as away:
            raise _later(away) from away

    async def _conclude(
        self,
        recovery: Recovery,
        written: tuple[Record, ...],
        result: ChargeResult,
        *,
        repeated: bool,
        by_reading: bool = False,
    ) -> Charged:
        """Commit the result. A charge that stays unknown is written down once."""
        order = pay.in_flight(recovery)
        event = pay.concluded(recovery, result, _now(order.requested_at), repeated=repeated, by_reading=by_reading)
        more = await self._log.append(recovery, (event,), event.occurred_at) if event else ()
        return Charged(records=(*written, *more), facts=pay.learned(recovery, result))


def _now(clock: datetime) -> datetime:
    """The server's clock where it is ahead of the workflow's: a repeat of an activity comes later."""
    return max(clock, activity.info().started_time)


def _later(away: ProviderUnavailable) -> ApplicationError:
    """Surely nothing was executed: Temporal tries again, after the wait that the provider asked for."""
    return ApplicationError(str(away), type="ProviderUnavailable", next_retry_delay=away.retry_after)
