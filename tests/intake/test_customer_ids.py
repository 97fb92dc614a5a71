"""Gateways behind which customers are known by ids that name nobody: hidden in answers, original in orders."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from core.customer_ids import is_hashed
from core.errors import ProviderUnavailable
from core.messages.recipients import Contact, MessageRecipient
from core.payments import (
    ChargeOrder,
    ChargeResult,
    CustomerView,
    EventKind,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
    ProviderEvent,
)  # fmt: skip
from db.repositories import contacts
from db.session import Database
from intake.customer_ids import CustomerIds, hide_customers
from providers.base import Gateway, ReadsContacts
from tests.db.recovery_events import NOW

ADDRESS = "jenny@example.com"
ORDER = ChargeOrder(
    provider="adyen", invoice_id="inv_1", attempt=1, idempotency_key="k", amount=1, currency="EUR", requested_at=NOW
)


@dataclass
class AddressGateway:
    """A gateway of a merchant whose customer ids are e-mail addresses."""

    idempotency: timedelta | None = timedelta(hours=1)
    can_read: bool = True
    longest_request: timedelta = timedelta(minutes=2)
    asked: list[Any] = field(default_factory=list)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """An invoice of the customer."""
        return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.OPEN, customer_id=ADDRESS)

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:  # noqa: ARG002
        """Facts that name the customer twice."""
        return FailureFacts(
            invoice=await self.read_invoice(invoice_id), customer=CustomerView(customer_id=ADDRESS, country="DE")
        )

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Notes whom the order names."""
        self.asked.append(order.customer_id)
        return ChargeResult(outcome=Outcome.SUCCEEDED)

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """As `charge`."""
        return await self.charge(order)

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with its customer."""
        return event.model_copy(update={"customer_id": ADDRESS})

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """Notes whom it is asked about."""
        self.asked.append(customer_id)
        return MessageRecipient(invoice=await self.read_invoice(invoice_id), contact=Contact(email=ADDRESS))


def hiding_gateway(gateway: AddressGateway, database: Database) -> Gateway:
    return hide_customers("adyen", cast(Gateway, gateway), database, CustomerIds((), lambda: NOW))


async def test_answers_name_the_hashed_id_alone(database: Database) -> None:
    gateway = hiding_gateway(AddressGateway(), database)
    event = ProviderEvent(provider="adyen", event_id="e", event_type="t", kind=EventKind.OTHER, occurred_at=NOW)
    facts = await gateway.read_failure("inv_1", None)
    assert isinstance(gateway, ReadsContacts)
    answers = [
        facts, await gateway.read_invoice("inv_1"), await gateway.resolve_event(event),
        await gateway.read_contact("inv_1", None),
    ]  # fmt: skip
    assert facts.customer
    assert is_hashed(facts.customer.customer_id)
    assert facts.customer.country == "DE"
    assert facts.invoice.customer_id == facts.customer.customer_id
    assert [ADDRESS in answer.model_dump_json(exclude={"contact"}) for answer in answers] == [False] * 4


async def test_orders_name_the_provider_s_own_id(database: Database) -> None:
    wrapped = AddressGateway()
    gateway = hiding_gateway(wrapped, database)
    known = (await gateway.read_invoice("inv_1")).customer_id
    order = ORDER.model_copy(update={"customer_id": known})
    await gateway.charge(order)
    await gateway.reconcile(order)
    assert isinstance(gateway, ReadsContacts)
    await gateway.read_contact("inv_1", known)
    await gateway.charge(ORDER.model_copy(update={"customer_id": "cus_1"}))
    await gateway.charge(ORDER)
    assert wrapped.asked == [ADDRESS, ADDRESS, ADDRESS, "cus_1", None]


async def test_order_of_an_erased_customer_names_nobody(database: Database) -> None:
    wrapped = AddressGateway()
    gateway = hiding_gateway(wrapped, database)
    known = (await gateway.read_invoice("inv_1")).customer_id
    async with database.begin() as session:
        await contacts.erase_contact(session, str(known), NOW)
        await session.exec_driver_sql("UPDATE customer_identity SET original = NULL, erased_at = now()")
    assert (await gateway.read_invoice("inv_1")).customer_id == known, "still the same customer"
    await gateway.charge(ORDER.model_copy(update={"customer_id": known}))
    assert wrapped.asked == [None]


async def test_nothing_is_sent_while_the_id_can_t_be_looked_up() -> None:
    wrapped, away = AddressGateway(), Database("postgresql+psycopg://x@127.0.0.1:1/x")
    with pytest.raises(ProviderUnavailable):
        await hiding_gateway(wrapped, away).charge(ORDER.model_copy(update={"customer_id": "hashed_x"}))
    assert wrapped.asked == []
    await away.close()


async def test_an_id_that_names_nobody_needs_no_look_up() -> None:
    wrapped, away = AddressGateway(), Database("postgresql+psycopg://x@127.0.0.1:1/x")
    await hiding_gateway(wrapped, away).charge(ORDER.model_copy(update={"customer_id": "cus_1"}))
    assert wrapped.asked == ["cus_1"]
    await away.close()
