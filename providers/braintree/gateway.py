"""The charging side: reads invoices, charges them once, and searches for charges whose answer was lost."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from core.errors import ProviderUnavailable
from core.messages.contact import Reached
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    ProviderEvent,
    Risk,
)
from providers.braintree import charging, contacts
from providers.braintree.api import CALL_SECONDS, BraintreeApi
from providers.braintree.config import BraintreeConfig
from providers.braintree.invoices import Invoice, find
from providers.braintree.tries import Try, card_of, tried
from providers.fields import Unfit

T = TypeVar("T")


class BraintreeGateway:
    """One merchant, over the API of the official client."""

    def __init__(self, config: BraintreeConfig, call_seconds: float = CALL_SECONDS) -> None:
        self.idempotency: timedelta | None = None  # a request sent twice charges twice
        self.can_read = True
        self._api = BraintreeApi(config, call_seconds)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now; MISSING where Braintree knows none. Raises ProviderUnavailable."""
        found = await _fitting(find(self._api, invoice_id))
        return found.view() if found else _missing(invoice_id)

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """The failed transaction and its invoice. Raises ProviderUnavailable."""
        found = await _fitting(find(self._api, invoice_id))
        if found is None:
            return FailureFacts(invoice=_missing(invoice_id), missing=("invoice",))
        failed = _failed_try(found, event)
        if failed is None:
            return FailureFacts(invoice=found.view(), missing=("payment",))
        return FailureFacts(
            invoice=found.view(),
            failure=failed.failure,
            card=failed.card,
            customer=CustomerView(customer_id=failed.customer_id) if failed.customer_id else None,
            risk=Risk(disputed=failed.disputed),
        )

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the one that would be charged; None where nobody can tell. Never raises."""
        try:
            token = method_id or await self._default_method(invoice_id)
            found = await self._api.method(token) if token else None
        except (ProviderUnavailable, Unfit):
            return None
        return card_of(found) if found else None

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> Reached:
        """The invoice as it is now, and its customer as a person. Raises ProviderUnavailable."""
        return await _fitting(contacts.read_contact(self._api, invoice_id, customer_id))

    async def _default_method(self, invoice_id: str) -> str | None:
        found = await find(self._api, invoice_id)
        if found is None:
            return None
        newest = found.newest.method_id if found.newest else None
        return (found.billing.method_id if found.billing else None) or newest

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Retry the subscription, or sell again on the stored method. Raises ProviderUnavailable."""
        return await _fitting(charging.pay(self._api, order))

    async def settle(self, order: ChargeOrder) -> ChargeResult:
        """What became of an order, by searching its transactions. Raises ProviderUnavailable."""
        return charging.settled(order, await _fitting(find(self._api, order.invoice_id)))

    async def resolve(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer of its transaction. Raises ProviderUnavailable."""
        if event.invoice_id or not event.payment_id:
            return event
        found = await self._api.transaction(event.payment_id)
        if found is None:
            return event
        try:
            one = tried(found)
        except Unfit:
            return event
        known = {"invoice_id": one.invoice_id, "customer_id": event.customer_id or one.customer_id}
        return event.model_copy(update=known | {"subscription_id": one.subscription_id})

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()


def _missing(invoice_id: str) -> InvoiceView:
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)


def _failed_try(found: Invoice, event: ProviderEvent | None) -> Try | None:
    """The one that the event tells of; else the newest that failed."""
    wanted = event.failure.charge_id if event and event.failure else None
    failed = [one for one in found.tries if one.failed]
    return next((one for one in failed if one.id == wanted), failed[0] if failed else None)


async def _fitting(read: Awaitable[T]) -> T:
    """Raises ProviderUnavailable where the answer doesn't fit: nothing was sent on such a ground."""
    try:
        return await read
    except Unfit as unfit:
        raise ProviderUnavailable(f"Braintree's answer doesn't fit: {unfit.field}.") from None
