"""The charging side: reads invoices, charges them once, and searches for charges whose answer was lost."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from core.errors import ProviderUnavailable
from core.messages.contact import Reached
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    EventKind,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    ProviderEvent,
    Risk,
)
from providers.braintree import charging, contacts
from providers.braintree.api import CALL_SECONDS, BraintreeApi
from providers.braintree.config import BraintreeConfig
from providers.braintree.invoices import Invoice, find, of_subscription
from providers.braintree.methods import card_of
from providers.braintree.reading import day, listed, part
from providers.braintree.tries import DECLINED, Try, tried
from providers.braintree.vault import look_if_allowed
from providers.fields import Unfit

T = TypeVar("T")
_DAY: Final = timedelta(days=1)
"""Braintree's days are those of the merchant's time zone, its times are in UTC."""


class BraintreeGateway:
    """One merchant, over the API of the official client."""

    def __init__(self, config: BraintreeConfig, call_seconds: float = CALL_SECONDS) -> None:
        self.idempotency: timedelta | None = None  # a request sent twice charges twice
        self.can_read = True
        self._api = BraintreeApi(config, call_seconds)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with what the vault holds of its payer; MISSING where Braintree knows none.

        Raises ProviderUnavailable, NotAllowed; not for the vault: without it `methods_known` is False.
        """
        found = await _fitting(find(self._api, invoice_id))
        return await self._viewed(found) if found else _missing(invoice_id)

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """The failed transaction and its invoice. Raises ProviderUnavailable."""
        found = await _fitting(find(self._api, invoice_id))
        if found is None:
            return FailureFacts(invoice=_missing(invoice_id), missing=("invoice",))
        found = _as_told(found, event)
        view, failed = await self._viewed(found), _failed_try(found, event)
        if failed is None:
            return FailureFacts(invoice=view, missing=("payment",))
        return FailureFacts(
            invoice=view,
            failure=failed.failure,
            card=failed.card,
            customer=_customer(failed),
            risk=Risk(disputed=failed.disputed),
            missing=() if failed.says_why else ("code",),
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

    async def _viewed(self, found: Invoice) -> InvoiceView:
        return (await _fitting(look_if_allowed(self._api, found))).on(found.view())

    async def _default_method(self, invoice_id: str) -> str | None:
        found = await find(self._api, invoice_id)
        return found.token if found else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Retry the subscription, or sell again on the stored method. Raises ProviderUnavailable."""
        return await _fitting(charging.pay(self._api, order))

    async def settle(self, order: ChargeOrder) -> ChargeResult:
        """What became of an order, by searching its transactions. Raises ProviderUnavailable."""
        return charging.settled(order, await _fitting(find(self._api, order.invoice_id)))

    async def resolve(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer of its transaction. Raises ProviderUnavailable."""
        if event.invoice_id or not (event.payment_id or event.subscription_id):
            return event
        found = await self._api.transaction(event.payment_id) if event.payment_id else None
        try:
            one = tried(found) if found else None
            if one is None and event.subscription_id:
                return await self._by_subscription(event, event.subscription_id)
            if one and one.invoice_id is None and (subscription := one.subscription_id or event.subscription_id):
                one = await self._in_subscription(subscription, one) or one
        except Unfit:
            return event
        if one is None:
            return event
        known = {"invoice_id": one.invoice_id, "customer_id": event.customer_id or one.customer_id}
        return event.model_copy(update=known | {"subscription_id": one.subscription_id or event.subscription_id})

    async def _by_subscription(self, event: ProviderEvent, name: str) -> ProviderEvent:
        """Without a transaction to ask for: the period that the subscription is in, unless that began afterwards."""
        period = day(part(await self._api.subscription(name), "billing_period_start_date"))
        if period is None or event.occurred_at.date() < period - _DAY:
            return event
        return event.model_copy(update={"invoice_id": f"{name}-{period.isoformat()}"})

    async def _in_subscription(self, name: str, one: Try) -> Try | None:
        """The transaction as its subscription names it; None where it is not among its newest ones."""
        found = await self._api.subscription(name)
        period = day(part(found, "billing_period_start_date"))
        if period is None or all(part(each, "id") != one.id for each in listed(found, "transactions")):
            return None
        billing = of_subscription(found, name, period).billing
        return billing.named(one) if billing else None

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()


def _missing(invoice_id: str) -> InvoiceView:
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)


def _customer(failed: Try) -> CustomerView | None:
    """Where the bill goes is where they live: their paydays and their quiet hours."""
    return CustomerView(customer_id=failed.customer_id, country=failed.country) if failed.customer_id else None


def _as_told(found: Invoice, event: ProviderEvent | None) -> Invoice:
    """A notification of a failure counts although its transaction still reads as before (a debit that came back)."""
    failed = event.failure if event and _money_failed(event) else None
    if failed is None or failed.charge_id is None:
        return found
    tries = (one.as_failed(DECLINED, failed.code) if one.id == failed.charge_id else one for one in found.tries)
    return replace(found, tries=tuple(tries))


def _money_failed(event: ProviderEvent) -> bool:
    """Whether the event says of its transaction that its money will not come, or did not stay."""
    return event.kind in {EventKind.PAYMENT_FAILED, EventKind.PAYMENT_REVERSED}


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
