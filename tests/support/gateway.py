"""A provider gateway in memory that answers charges from a script and counts the money."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.errors import NotAllowed, ProviderUnavailable
from core.messages.recipients import Contact, MessageRecipient
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    Failure,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
    ProviderEvent,
    Risk,
)

SUCCEED = ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_ok")
OPEN_INVOICE = InvoiceView(
    invoice_id="in_1", status=InvoiceStatus.OPEN, amount_due=4900, currency="EUR", customer_id="cus_1"
)
NO_RISK = Risk()
JENNY = Contact(email="jenny@example.com", name="Jenny", language="en", link="https://pay.example.com/i")
UNKNOWN = ChargeResult(outcome=Outcome.UNKNOWN, reason="timeout")


def decline_result(code: str) -> ChargeResult:
    """A declined charge result with this code."""
    return ChargeResult(outcome=Outcome.DECLINED, failure=Failure(code=code))


@dataclass
class ScriptedGateway:
    """A gateway whose `script` is consumed by new keys only: a repeated key gets its first answer again."""

    failure: Failure
    script: list[ChargeResult] = field(default_factory=list)
    invoice: InvoiceView = OPEN_INVOICE
    risk: Risk = NO_RISK
    created_at: datetime | None = None
    idempotency: timedelta | None = timedelta(hours=23)
    can_read: bool = True
    longest_request: timedelta = timedelta(minutes=2)
    orders: list[ChargeOrder] = field(default_factory=list)
    answers: dict[str, ChargeResult] = field(default_factory=dict)
    reconciliations: list[ChargeResult] = field(default_factory=list)
    cards: dict[str, Card] = field(default_factory=dict)
    """By method; "" for the default."""
    contact: Contact = JENNY
    country: str | None = None
    time_zone: str | None = None
    away: int = 0
    """How many of the next reads fail."""
    refuses: int = 0
    """How many of the next reads are refused to this key."""
    busy: list[timedelta] = field(default_factory=list)
    """The next charges are surely not executed: each with the wait that is asked for."""

    @property
    def success_count(self) -> int:
        """The number of successful charges."""
        return sum(answer.outcome is Outcome.SUCCEEDED for answer in self.answers.values())

    def set_status(self, status: InvoiceStatus) -> None:
        """Sets the invoice's status at the provider."""
        self.invoice = self.invoice.model_copy(update={"status": status})

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice. Raises NotAllowed or ProviderUnavailable as often as scripted."""
        if self.refuses > 0:
            self.refuses -= 1
            raise NotAllowed("scripted: this key was revoked")
        if self.away > 0:
            self.away -= 1
            raise ProviderUnavailable("scripted: away")
        return self.invoice.model_copy(update={"invoice_id": invoice_id})

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """The invoice with the scripted failure, card and customer."""
        customer = CustomerView(
            customer_id="cus_1", created_at=self.created_at, country=self.country, time_zone=self.time_zone
        )
        return FailureFacts(
            invoice=await self.read_invoice(invoice_id),
            failure=event.failure if event and event.failure else self.failure,
            card=Card(fingerprint="fp_1", network="visa"),
            customer=customer,
            risk=self.risk,
        )

    async def read_contact(self, invoice_id: str, _: str | None) -> MessageRecipient:
        """The invoice and the customer's contact."""
        return MessageRecipient(invoice=await self.read_invoice(invoice_id), contact=self.contact)

    async def read_card(self, _: str, method_id: str | None) -> Card | None:
        """The scripted card of this method; None where there is none."""
        return self.cards.get(method_id or "")

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """The next result of the script for a new key. Raises ProviderUnavailable while scripted as busy."""
        self.orders.append(order)
        if self.busy:
            raise ProviderUnavailable("scripted: too many requests", retry_after=self.busy.pop(0))
        if order.idempotency_key not in self.answers:
            self.answers[order.idempotency_key] = self.script.pop(0) if self.script else SUCCEED
        answer = self.answers[order.idempotency_key]
        if answer.outcome is Outcome.SUCCEEDED:
            self.set_status(InvoiceStatus.PAID)
        return answer

    async def reconcile(self, _: ChargeOrder) -> ChargeResult:
        """The next scripted reconciliation; unknown without one."""
        return self.reconciliations.pop(0) if self.reconciliations else UNKNOWN

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event unchanged."""
        return event

    async def close(self) -> None:
        """Does nothing: there are no connections."""


def idempotency_keys(orders: Iterable[ChargeOrder]) -> list[str]:
    """The idempotency keys in the order they were sent."""
    return [order.idempotency_key for order in orders]
