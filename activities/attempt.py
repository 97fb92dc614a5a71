"""One execution of a charge or of its settlement, from whatever the log already holds."""

from activities import pay
from activities.clock import ActivityClock
from activities.log import Log, after
from core.contracts import Charged, ChargeInput
from core.events import Record, Trigger
from core.payments import ChargeOrder, ChargeResult, Outcome
from core.retry.reactions import announced
from core.retry.recovery import Recovery
from providers.base import Gateway


class Attempt:
    """Knows what is written and what time it is. Raises ProviderUnavailable where nothing was found out."""

    def __init__(self, gateway: Gateway, log: Log, clock: ActivityClock) -> None:
        self._gateway = gateway
        self._log = log
        self._clock = clock
        self._written: tuple[Record, ...] = ()

    async def catch_up(self, before: Recovery) -> Recovery:
        """The recovery as the log has it by now: an earlier execution may have come further than its caller knows."""
        self._written = await self._log.since(before)
        return after(before, self._written)

    async def request(self, order: ChargeInput) -> Recovery:
        """Commit the intention to charge, or what a fresh look at the invoice says against it."""
        before = order.recovery
        invoice = await self._gateway.read_invoice(before.invoice_id) if self._gateway.can_read else None
        now = self._clock.now()
        events = pay.checked(before, invoice or announced(before).invoice, Trigger(order.trigger), order, now)
        self._written = await self._log.append(before, events, now)
        return after(before, self._written)

    async def send(self, recovery: Recovery, *, repeated: bool = False) -> Charged:
        """Send the order in flight and commit the answer."""
        result = await self._gateway.charge(pay.in_flight(recovery))
        return await self._conclude(recovery, result, repeated=repeated)

    async def find_out(self, recovery: Recovery) -> Charged:
        """Read first; what reading can't settle is sent again with the same key while the provider honours it."""
        order = pay.in_flight(recovery)
        result = await self._read_back(order)
        if result.outcome is Outcome.UNKNOWN and self._repeatable(order):
            return await self.send(recovery, repeated=True)
        return await self._conclude(recovery, result, by_reading=True)

    def so_far(self) -> Charged:
        """What is written, without anything new."""
        return Charged(records=self._written)

    @property
    def just_requested(self) -> bool:
        """Whether the order in flight is this execution's own and nothing happened to it yet."""
        return len(self._written) == 1

    def _repeatable(self, order: ChargeOrder) -> bool:
        honoured = self._gateway.idempotency
        return honoured is not None and self._clock.now() - order.requested_at < honoured

    async def _read_back(self, order: ChargeOrder) -> ChargeResult:
        if not self._gateway.can_read:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_readable")
        return await self._gateway.settle(order)

    async def _conclude(
        self, recovery: Recovery, result: ChargeResult, *, repeated: bool = False, by_reading: bool = False
    ) -> Charged:
        """Commit the result. A charge that stays unknown is written down once."""
        event = pay.concluded(recovery, result, self._clock.now(), repeated=repeated, by_reading=by_reading)
        if event:
            self._written += await self._log.append(recovery, (event,), event.occurred_at)
        return Charged(records=self._written, facts=pay.learned(recovery, result))
