"""Whom to write to: read from the provider before a message, put straight into its own table, told to nobody."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity

from activities.heartbeat import provider_call
from core.contracts import ReadInput
from core.messages.recipients import Contact
from core.payments import InvoiceView
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope
from core.recovery.invoice_check import reopen_returned_payment
from db.repositories import contacts
from db.session import Database
from providers.base import Gateway, ReadsContacts


class ContactStore(Protocol):
    """Where contacts are kept. Raises StoreUnavailable."""

    async def save_contact(self, provider: str, customer_id: str, invoice_id: str, contact: Contact) -> None:
        """What the provider says now."""

    async def load_contact(self, provider: str, customer_id: str, invoice_id: str) -> Contact | None:
        """Whom to write to about this invoice; None where nobody is known, or once they were erased."""


class StoredContacts:
    """The table `contact`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_contact(self, provider: str, customer_id: str, invoice_id: str, contact: Contact) -> None:
        """What the provider says now; an erased customer stays erased."""
        async with self._database.begin() as session:
            await contacts.save_contact(session, provider, customer_id, invoice_id, contact, datetime.now(UTC))

    async def load_contact(self, provider: str, customer_id: str, invoice_id: str) -> Contact | None:
        """Whom to write to about this invoice."""
        async with self._database.begin() as session:
            return await contacts.load_contact(session, provider, customer_id, invoice_id)


class Contacts:
    """Reads one provider. Runs on that provider's own task queue, like every call to it."""

    def __init__(
        self, gateways: Mapping[str, Gateway], addresses: ContactStore, scope: InvoiceScope = SHIPPED_SCOPE
    ) -> None:
        self._gateways, self._addresses, self._scope = gateways, addresses, scope

    @activity.defn
    async def refresh_contact(self, order: ReadInput) -> InvoiceView | None:
        """Keep the customer's contact as it is now; answers with the invoice alone, which holds nothing personal."""
        recovery = order.recovery
        gateway: object = self._gateways.get(recovery.provider)
        if not isinstance(gateway, ReadsContacts):
            return None
        async with provider_call():
            found = await gateway.read_contact(recovery.invoice_id, recovery.customer_id)
        customer_id = found.invoice.customer_id or recovery.customer_id
        if found.contact and customer_id:
            await self._addresses.save_contact(recovery.provider, customer_id, recovery.invoice_id, found.contact)
        view = reopen_returned_payment(recovery, found.invoice)
        return self._scope.judge_invoice(view, activity.info().started_time, opening=False)
