"""A provider for the money laws: it executes each key once, counts the money, and can be interrupted anywhere."""

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
    """Raised in place of an answer when the worker or its connection dies."""


class PausePoint:
    """An awaitable at which an execution can be held: before and after each action of the provider."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class Execution(Generic[T]):
    """A coroutine that is run step by step, like an activity on a worker that may freeze."""

    work: Coroutine[Any, Any, T]
    result: T | None = None

    def step(self) -> bool:
        """Runs to the next pause. Returns whether the execution is over."""
        try:
            self.work.send(None)
        except StopIteration as stop:
            self.result = stop.value
            return True
        return False

    def finish(self) -> T:
        """Runs to the end and returns the result."""
        while not self.step():
            pass
        assert self.result is not None
        return self.result


@dataclass
class InterruptibleProvider:
    """The provider of invoice in_1. `next` is the outcome of the next new key."""

    idempotency: timedelta | None = timedelta(hours=23)
    can_read: bool = True
    longest_request: timedelta = timedelta(minutes=2)
    invoice: InvoiceView = OPEN_INVOICE
    now: datetime | None = None
    clock: Callable[[], datetime] | None = None
    """The time as the provider has it; without it, no request expires."""
    next_outcome: Outcome = Outcome.SUCCEEDED
    results_by_key: dict[str, ChargeResult] = field(default_factory=dict)
    sent_orders: list[ChargeOrder] = field(default_factory=list)
    answers_to_lose: int = 0
    """How many of the next answers get lost."""
    paid_elsewhere: int = 0
    guard: Callable[[ChargeOrder], None] = lambda _: None
    """Looks at each order that comes in."""
    departure: Callable[[ChargeOrder], None] = lambda _: None
    """Looks at each order that leaves us."""

    @property
    def success_count(self) -> int:
        """The number of times the customer paid."""
        return self.paid_elsewhere + sum(result.outcome is Outcome.SUCCEEDED for result in self.results_by_key.values())

    def set_status(self, status: InvoiceStatus) -> None:
        """Sets the invoice's status."""
        self.invoice = self.invoice.model_copy(update={"status": status})

    async def read_invoice(self, _: str) -> InvoiceView:
        """The invoice as it was before the last pause."""
        invoice = self.invoice
        await PausePoint()
        return invoice

    async def read_card(self, _: str, method_id: str | None) -> Card | None:
        """The card of a named method; None for the default, which it does not know."""
        return Card(fingerprint=f"fp_{method_id}", network="visa") if method_id else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Executes a new key and replays a known one; without key memory each call is executed.

        A request that is not executed within `longest_request` never is.
        """
        self.departure(order)
        left = self.clock() if self.clock else None
        await PausePoint()
        if left and self.clock and self.clock() - left >= self.longest_request:
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="timeout")
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
        """The result of the order's key as reading shows it."""
        await PausePoint()
        if result := self.results_by_key.get(order.idempotency_key):
            return result
        assert self.now
        if self.idempotency is None:
            # who searches may find it tomorrow
            return ChargeResult(outcome=Outcome.UNKNOWN, reason="not_found", no_attempt=True)
        surely = self.now - order.requested_at >= KEY_MEMORY or self.invoice.status is not InvoiceStatus.OPEN
        outcome = Outcome.NOT_CHARGED if surely else Outcome.UNKNOWN
        return ChargeResult(outcome=outcome, reason="no_trace", no_attempt=not surely)
