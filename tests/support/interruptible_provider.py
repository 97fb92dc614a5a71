"""A provider for the money laws: executes each key once, counts the money, and can be interrupted anywhere."""

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from core.payments import Card, ChargeOrder, ChargeResult, Failure, InvoiceStatus, InvoiceView, Outcome
from tests.support.recovery_scenario import OPEN_INVOICE

T = TypeVar("T")
KEY_MEMORY: timedelta = timedelta(hours=24)
"""An order of this age that left no trace never will leave one."""


class ConnectionLost(Exception):
    """The worker dies here, or the connection does."""


class PausePoint:
    """A place where an execution can be held: before and after everything that a provider does."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class Execution(Generic[T]):
    """A coroutine that is run step by step, like an activity on a worker that may freeze."""

    work: Coroutine[Any, Any, T]
    result: T | None = None

    def step(self) -> bool:
        """Go on to the next pause. Whether it is over."""
        try:
            self.work.send(None)
        except StopIteration as stop:
            self.result = stop.value
            return True
        return False

    def finish(self) -> T:
        """Go on to the end."""
        while not self.step():
            pass
        assert self.result is not None
        return self.result


@dataclass
class InterruptibleProvider:
    """The provider's side of invoice in_1. `next` is what the next new key comes to."""

    idempotency: timedelta | None = timedelta(hours=23)
    can_read: bool = True
    invoice: InvoiceView = OPEN_INVOICE
    now: datetime | None = None
    next_outcome: Outcome = Outcome.SUCCEEDED
    results_by_key: dict[str, ChargeResult] = field(default_factory=dict)
    sent_orders: list[ChargeOrder] = field(default_factory=list)
    answers_to_lose: int = 0
    """How many of the next answers get lost."""
    paid_elsewhere: int = 0
    guard: Callable[[ChargeOrder], None] = lambda _: None
    """Looks at each order that comes in."""

    @property
    def success_count(self) -> int:
        """How often the customer paid."""
        return self.paid_elsewhere + sum(result.outcome is Outcome.SUCCEEDED for result in self.results_by_key.values())

    def set_status(self, status: InvoiceStatus) -> None:
        """The invoice changes."""
        self.invoice = self.invoice.model_copy(update={"status": status})

    async def read_invoice(self, _: str) -> InvoiceView:
        """The invoice, a moment ago."""
        invoice = self.invoice
        await PausePoint()
        return invoice

    async def read_card(self, _: str, method_id: str | None) -> Card | None:
        """It knows the cards that customers give, and not which one it charges by default."""
        return Card(fingerprint=f"fp_{method_id}", network="visa") if method_id else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Execute a new key, replay a known one; a key without memory is executed whenever it comes."""
        await PausePoint()
        self.guard(order)
        self.sent_orders.append(order)
        earlier_result = self.results_by_key.get(order.idempotency_key) if self.idempotency else None
        answer = earlier_result or self._execute_order(order)
        await PausePoint()
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="timeout")
        return answer

    def _execute_order(self, order: ChargeOrder) -> ChargeResult:
        if self.invoice.status is not InvoiceStatus.OPEN:
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason="invoice_not_payable")
        if self.next_outcome is Outcome.SUCCEEDED:
            answer = ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=f"ch_{len(self.results_by_key)}")
            self.set_status(InvoiceStatus.PAID)
        else:
            failure = Failure(code="insufficient_funds", charge_id=f"ch_{len(self.results_by_key)}")
            answer = ChargeResult(outcome=Outcome.DECLINED, failure=failure, charge_id=failure.charge_id)
        assert order.idempotency_key not in self.results_by_key, "executed twice"
        self.results_by_key[order.idempotency_key] = answer
        return answer

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """What reading tells."""
        await PausePoint()
        if result := self.results_by_key.get(order.idempotency_key):
            return result
        assert self.now
        if self.idempotency is None:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_found")  # who searches may find it tomorrow
        surely = self.now - order.requested_at >= KEY_MEMORY or self.invoice.status is not InvoiceStatus.OPEN
        return ChargeResult(outcome=Outcome.NOT_CHARGED if surely else Outcome.UNKNOWN, reason="no_trace")
