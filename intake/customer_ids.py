"""Replaces customer ids that name a person: in what webhooks say, in what gateways read, and back in what they send."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from core.customer_ids import is_hashed, names_person
from core.errors import ProviderUnavailable, StoreUnavailable
from core.messages.recipients import ContactUpdate, MessageRecipient
from core.payments import Card, ChargeOrder, ChargeResult, CustomerView, FailureFacts, InvoiceView, ProviderEvent
from db.repositories import customer_identities
from db.session import Database, Session
from providers.base import Gateway, Provider, ReadsContacts

Named = TypeVar("Named", ProviderEvent, ContactUpdate, InvoiceView, CustomerView)
"""Values with a `customer_id`."""


class CustomerIds:
    """The ids under which customers are known here. `keys` hash, newest first; empty: the database's own key."""

    def __init__(self, keys: Sequence[bytes], clock: Callable[[], datetime]) -> None:
        self.keys, self._clock = keys, clock

    async def hide(self, session: Session, provider: str, values: Iterable[Named]) -> tuple[Named, ...]:
        """The values, known by hashed ids where theirs name a person. Raises StoreUnavailable."""
        given = tuple(values)
        # In one order for every writer: two batches about the same customers would deadlock otherwise.
        personal = sorted({one.customer_id for one in given if one.customer_id and names_person(one.customer_id)})
        known = {name: await self._hide_id(session, provider, name) for name in personal}
        return tuple(
            one.model_copy(update={"customer_id": known[one.customer_id]}) if one.customer_id in known else one
            for one in given
        )

    async def _hide_id(self, session: Session, provider: str, original: str) -> str:
        return await customer_identities.hide_customer_id(session, provider, original, self.keys, self._clock())


class HidingGateway:
    """A gateway that is asked and answers with the ids under which customers are known here."""

    def __init__(self, name: str, gateway: Gateway, database: Database, ids: CustomerIds) -> None:
        self._name, self._gateway, self._database, self._ids = name, gateway, database, ids
        self.idempotency: timedelta | None = gateway.idempotency
        self.can_read: bool = gateway.can_read
        self.longest_request: timedelta = gateway.longest_request

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """As the gateway's."""
        return await self._hide(await self._gateway.read_invoice(invoice_id))

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """As the gateway's."""
        facts = await self._gateway.read_failure(invoice_id, event)
        customer = await self._hide(facts.customer) if facts.customer else None
        return facts.model_copy(update={"invoice": await self._hide(facts.invoice), "customer": customer})

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """As the gateway's."""
        return await self._gateway.read_card(invoice_id, method_id)

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """As the gateway's. An erased customer's order names none: a provider that needs one refuses it."""
        return await self._gateway.charge(await self._address_order(order))

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """As the gateway's."""
        return await self._gateway.reconcile(await self._address_order(order))

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """As the gateway's."""
        return await self._hide(await self._gateway.resolve_event(event))

    async def close(self) -> None:
        """As the gateway's."""
        await self._gateway.close()

    async def _hide(self, value: Named) -> Named:
        if not value.customer_id or not names_person(value.customer_id):
            return value
        async with self._database.begin() as session:
            return (await self._ids.hide(session, self._name, [value]))[0]

    async def _address_order(self, order: ChargeOrder) -> ChargeOrder:
        """The order with the id that the provider knows. Raises ProviderUnavailable: nothing was sent."""
        try:
            return order.model_copy(update={"customer_id": await self._find_original(order.customer_id)})
        except StoreUnavailable as away:
            raise ProviderUnavailable("the customer's id at the provider could not be looked up") from away

    async def _find_original(self, customer_id: str | None) -> str | None:
        # Most ids name nobody: their charges need no connection to the database between the request and the call.
        if customer_id is None or not is_hashed(customer_id):
            return customer_id
        async with self._database.begin() as session:
            return await customer_identities.find_original_id(session, customer_id)


class HidingContactGateway(HidingGateway):
    """The same for a gateway that can read contacts."""

    def __init__(self, name: str, gateway: Gateway, contacts: ReadsContacts, database: Database, ids: CustomerIds):
        super().__init__(name, gateway, database, ids)
        self._contacts = contacts

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """As the gateway's."""
        found = await self._contacts.read_contact(invoice_id, await self._find_original(customer_id))
        return found.model_copy(update={"invoice": await self._hide(found.invoice)})


def hide_customers(name: str, gateway: Gateway, database: Database, ids: CustomerIds) -> Gateway:
    """The gateway, behind which customers are known by ids that name nobody."""
    if isinstance(gateway, ReadsContacts):
        return HidingContactGateway(name, gateway, gateway, database, ids)
    return HidingGateway(name, gateway, database, ids)


def create_gateways(providers: Mapping[str, Provider], database: Database, keys: Sequence[bytes]) -> dict[str, Gateway]:
    """The gateways of all providers that have an API key, by name, each behind `hide_customers`."""
    ids = CustomerIds(keys, lambda: datetime.now(UTC))
    return {
        name: hide_customers(name, gateway, database, ids)
        for name, provider in providers.items()
        if (gateway := provider.create_gateway())
    }
