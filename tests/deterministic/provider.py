# ruff: noqa: ARG002  (the parameters are those of the protocol)
"""A payment provider in memory, with books of its own: what was asked of it, what it charged, what it said of that.

It hides no second charge: an order with a new key for an invoice that we have paid is charged again.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from core.errors import NotAllowed, ProviderUnavailable
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    EventKind,
    Failure,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
    ProviderEvent,
)
from providers.base import no_attempt_result, not_charged_result, unknown_result
from tests.deterministic.faults import Faults
from tests.deterministic.loop import PROCESS, VirtualLoop
from tests.faults.rounds.evidence import Charge, PayCall

CALL_SECONDS: Final = 20.0
"""How long the gateway waits for the answer to a charge."""
KEY_AGE: Final = timedelta(hours=24)
"""After this time the provider doesn't know a key any more and executes its order anew."""
FIRST_FAILURE: Final = Failure(code="insufficient_funds")
LONGEST_STOP: Final = timedelta(seconds=100)
"""Longer than any process is stopped: a charge is read for within this time before it leaves."""
LATEST_SECONDS: Final = 110.0
"""The longest time after which an order is executed, below the gateway's `longest_request`."""


@dataclass(frozen=True)
class Abilities:
    """A kind of provider: what its gateway declares."""

    name: str
    idempotency: timedelta | None
    can_read: bool


ABILITIES: Final = (
    Abilities("stripe", timedelta(hours=23), True),
    Abilities("adyen", timedelta(days=7) - timedelta(hours=1), False),
    Abilities("braintree", None, True),
)


@dataclass
class ServerInvoice:
    """An invoice at the provider."""

    invoice_id: str
    customer_id: str
    amount: int
    card: Card
    declines: list[str]
    """The codes of the next charges; behind them charges succeed, or decline for ever."""
    always_declines: bool
    status: InvoiceStatus = InvoiceStatus.OPEN
    disputed: bool = False
    attempts: int = 1
    last_failure: Failure = FIRST_FAILURE
    latest_charge: str | None = None
    method_id: str = "pm_1"
    barred_at: datetime | None = None
    """When it was voided, written off or disputed."""


@dataclass
class Executed:
    """What became of a key."""

    result: ChargeResult | None
    """None while it is being executed, or if the provider keeps an error under it."""
    at: datetime
    status: int = 200


@dataclass
class SimulatedProvider:
    """The provider and its gateway (`providers.base.Gateway`)."""

    abilities: Abilities
    loop: VirtualLoop
    draw: random.Random
    clock: Callable[[], datetime]
    faults: Faults
    send_webhook: Callable[[ProviderEvent], None]
    on_charge: Callable[[str], None]
    """Hears of each charge that leaves us."""
    trace: Callable[[str], None]
    longest_request: timedelta = timedelta(minutes=2)
    away_until: float = 0.0
    invoices: dict[str, ServerInvoice] = field(default_factory=dict)
    results: dict[tuple[str, str], Executed] = field(default_factory=dict)
    """By invoice and key, for ever: what reads show."""
    pay_calls: list[PayCall] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    """Pay calls that left long after a read would have shown that they may not."""
    _event_count: int = 0

    @property
    def idempotency(self) -> timedelta | None:
        """How long keys are honoured, by what the gateway declares."""
        return self.abilities.idempotency

    @property
    def can_read(self) -> bool:
        """Whether invoices can be read."""
        return self.abilities.can_read

    # --- the gateway ----------------------------------------------------------------------------------------

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is. Raises ProviderUnavailable."""
        await self._travel_read()
        invoice = self.invoices[invoice_id]
        return InvoiceView(
            invoice_id=invoice_id,
            status=invoice.status,
            amount_due=invoice.amount if invoice.status is InvoiceStatus.OPEN else 0,
            currency="EUR",
            customer_id=invoice.customer_id,
            disputed=invoice.disputed,
            latest_charge_id=invoice.latest_charge,
        )

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """Invoice, failure, card and customer. Raises ProviderUnavailable."""
        view, invoice = await self.read_invoice(invoice_id), self.invoices[invoice_id]
        customer = CustomerView(customer_id=invoice.customer_id)
        return FailureFacts(invoice=view, failure=invoice.last_failure, card=invoice.card, customer=customer)

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method."""
        await self.loop.sleep(self.draw.uniform(0.02, 0.2))
        return self.invoices[invoice_id].card

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event itself: every event here names its invoice."""
        return event

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of the order, UNKNOWN where its answer is lost. Raises ProviderUnavailable: not executed."""
        kind, left = self.faults.visit("charge"), self.clock()
        # Nothing of ours can look once more between the gateway's call and the first byte on the wire.
        if kind == "stop_before":
            await self.faults.stop(self.draw.uniform(3.0, 60.0))
        self.trace(f"  charge {order.idempotency_key} leaves")
        self.on_charge(order.invoice_id)
        if kind == "limited" or self.away_until > self.loop.time():
            await self.loop.sleep(0.1)
            raise ProviderUnavailable("simulated: 429", retry_after=timedelta(seconds=self.draw.choice((1, 20, 400))))
        answer = self.loop.create_future()
        if kind != "lost_request":
            way = {"late": self.draw.uniform(15.0, 60.0), "latest": self.draw.uniform(60.0, LATEST_SECONDS)}
            delay = way.get(kind or "", self.draw.uniform(0.05, 0.6))
            # Without any of our processes: what is sent is executed, whoever dies meanwhile.
            self.loop.call_later(delay, self._execute, order, kind, left, answer, context=Context())
        if kind == "kill_sent":
            self.loop.call_later(self.draw.uniform(0.0, 1.0), self._kill_caller)
        if kind == "stop_sent":
            await self.faults.stop(self.draw.uniform(5.0, 90.0))
        return await self._await_answer(answer, kind)

    async def _await_answer(self, answer: "asyncio.Future[ChargeResult]", kind: str | None) -> ChargeResult:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                result = await answer
        except TimeoutError:
            return unknown_result("timeout")
        if kind == "kill_answered":
            await self.faults.die()
        if kind == "stop_answered":
            await self.faults.stop(self.draw.uniform(5.0, 90.0))
        return result

    def _kill_caller(self) -> None:
        if process := PROCESS.get():
            self.faults._kill(process)

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of an order by what the books show now. Raises ProviderUnavailable."""
        await self._travel_read()
        invoice, executed = self.invoices[order.invoice_id], self.results.get((order.invoice_id, order.idempotency_key))
        if executed and executed.result:
            return executed.result
        if invoice.status is InvoiceStatus.PAID:
            return ChargeResult(outcome=Outcome.SUCCEEDED)
        if invoice.status is InvoiceStatus.VOID:
            return not_charged_result("invoice_not_payable")
        aged = self.clock() - order.requested_at >= KEY_AGE and self.abilities.idempotency is not None
        return not_charged_result("no_trace") if aged else no_attempt_result("not_settled")

    async def _travel_read(self) -> None:
        await self.loop.sleep(self.draw.uniform(0.02, 0.3))
        kind = self.faults.visit("read")
        if kind == "kill":
            await self.faults.die()
        if kind == "stop":
            await self.faults.stop(self.draw.uniform(5.0, 90.0))
        if kind == "refused":
            raise NotAllowed("simulated: 403")
        if kind == "away" or self.away_until > self.loop.time():
            raise ProviderUnavailable("simulated: 503")

    # --- the server -----------------------------------------------------------------------------------------

    def _execute(
        self, order: ChargeOrder, kind: str | None, left: datetime, answer: "asyncio.Future[ChargeResult]"
    ) -> None:
        invoice, key = self.invoices[order.invoice_id], (order.invoice_id, order.idempotency_key)
        known = self.results.get(key) if self.abilities.idempotency is not None else None
        if known and self.clock() - known.at < self.key_age:
            self._book_call(order, invoice, left, known.status, replayed=True)
            return self._answer(answer, kind, known.result or unknown_result(f"http_{known.status}"))
        if kind in {"error_500", "kept_500"}:
            if kind == "kept_500" and self.abilities.idempotency is not None:
                self.results[key] = Executed(None, self.clock(), 500)
            self._book_call(order, invoice, left, 500)
            return self._answer(answer, None, unknown_result("http_500"))
        result, status = self._decide(order, invoice)
        self._book_call(order, invoice, left, status)
        if status != 400:
            self.results[key] = Executed(result, self.clock(), status)
        return self._answer(answer, kind, result)

    @property
    def key_age(self) -> timedelta:
        """How long it keeps an idempotency key."""
        return max(KEY_AGE, self.abilities.idempotency or KEY_AGE)

    def _answer(self, answer: "asyncio.Future[ChargeResult]", kind: str | None, result: ChargeResult) -> None:
        if kind == "drop":
            result = unknown_result("connection_lost")
        if not answer.done():
            self.loop.call_later(self.draw.uniform(0.02, 0.4), _set_result, answer, result, context=Context())

    def _decide(self, order: ChargeOrder, invoice: ServerInvoice) -> tuple[ChargeResult, int]:
        ours = any(one.invoice == invoice.invoice_id and one.origin == "api" for one in self.charges)
        if invoice.status is not InvoiceStatus.OPEN and not ours:
            return not_charged_result("invoice_not_payable"), 400
        charge_id = f"ch_{invoice.invoice_id}_{len(self.pay_calls)}"
        invoice.latest_charge = charge_id
        if invoice.declines or invoice.always_declines:
            code = invoice.declines.pop(0) if invoice.declines else "generic_decline"
            invoice.attempts += 1
            failure = invoice.last_failure = Failure(code=code, charge_id=charge_id, method_id=order.method_id)
            self.emit(EventKind.PAYMENT_FAILED, invoice, failure=failure, **self._echo(order))
            return ChargeResult(outcome=Outcome.DECLINED, failure=failure, card=invoice.card, charge_id=charge_id), 402
        self.pay(invoice, "api", charge_id, **self._echo(order))
        return ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=charge_id), 200

    def _echo(self, order: ChargeOrder) -> dict[str, Any]:
        return {} if self.can_read else {"idempotency_key": order.idempotency_key}

    def _book_call(
        self, order: ChargeOrder, invoice: ServerInvoice, left: datetime, status: int, *, replayed: bool = False
    ) -> None:
        self.trace(f"  provider: {order.idempotency_key} -> {status}{' (kept)' if replayed else ''}")
        if self.can_read and invoice.barred_at and left - invoice.barred_at > LONGEST_STOP:
            self.forbidden.append(
                f"{order.invoice_id}: {order.idempotency_key} left although it was voided or disputed"
            )
        self.pay_calls.append(
            PayCall(
                sequence=len(self.pay_calls) + 1,
                invoice=order.invoice_id,
                key=order.idempotency_key,
                wall=left.timestamp(),  # nobody can call it back from then on
                status=status,
                replayed=replayed,
                card=invoice.card.fingerprint or "",
                network=invoice.card.network or "",
                amount=order.amount,
            )
        )

    def pay(self, invoice: ServerInvoice, origin: str, charge_id: str, **more: Any) -> None:
        """The invoice is paid; `origin` as in the checker's evidence."""
        self.charges.append(Charge(invoice.invoice_id, charge_id, origin))
        invoice.status = InvoiceStatus.PAID
        self.emit(EventKind.INVOICE_PAID, invoice, payment_id=charge_id, **more)

    def emit(self, kind: EventKind, invoice: ServerInvoice, **more: Any) -> None:
        """Sends a webhook."""
        self._event_count += 1
        basics: dict[str, Any] = {
            "provider": self.abilities.name,
            "event_id": f"evt_{self._event_count}",
            "event_type": f"simulated.{kind.value}",
            "kind": kind,
            "occurred_at": self.clock().replace(microsecond=0),
            "invoice_id": invoice.invoice_id,
            "customer_id": invoice.customer_id,
            "currency": "EUR",
        }
        if kind is EventKind.PAYMENT_FAILED:
            basics |= {"provider_attempt": invoice.attempts, "amount": invoice.amount, "card": invoice.card}
        self.send_webhook(ProviderEvent(**basics | more))


def _set_result(answer: "asyncio.Future[ChargeResult]", result: ChargeResult) -> None:
    if not answer.done():
        answer.set_result(result)
