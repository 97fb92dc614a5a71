"""The charging side of Braintree: reads invoices, charges them once, and searches for charges with a lost answer."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from core.errors import ProviderUnavailable
from core.messages.recipients import MessageRecipient
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
from providers.braintree.client_objects import attribute, list_attribute, to_date
from providers.braintree.config import BraintreeConfig
from providers.braintree.invoices import Invoice, find_invoice, invoice_of_subscription
from providers.braintree.methods import card_of_instrument
from providers.braintree.transactions import DECLINED_STATUS, TransactionView, parse_transaction
from providers.braintree.vault import read_vault_if_allowed
from providers.fields import InvalidField

T = TypeVar("T")
LONGEST_REQUEST: Final = timedelta(seconds=60) + 3 * timedelta(seconds=CALL_SECONDS) + timedelta(seconds=60)
"""Braintree's gateway gives a transaction 60 seconds ("Timeouts" in
developers.braintreepayments.com/reference/general/best-practices). Up to three calls of ours go before the sale; the
last minute is for its search, and for clocks."""
_DAY: Final = timedelta(days=1)
"""Slack when dates and times are compared: Braintree's dates are in the merchant's time zone, its times in UTC."""


class BraintreeGateway:
    """One merchant, over the API of the official client. `call_seconds` limits each call."""

    def __init__(self, config: BraintreeConfig, call_seconds: float = CALL_SECONDS) -> None:
        # Braintree has no idempotency keys: a request sent twice charges twice.
        self.idempotency: timedelta | None = None
        self.can_read = True
        self.longest_request = LONGEST_REQUEST
        self._api = BraintreeApi(config, call_seconds)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with the payer's stored methods; MISSING if Braintree has none.

        Raises ProviderUnavailable, and NotAllowed if the key may not read it. If only the vault can't be read,
        `methods_known` is False instead.
        """
        found = await _read_valid(find_invoice(self._api, invoice_id))
        return await self._read_view(found) if found else _missing_invoice(invoice_id)

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """The failed transaction, its invoice, card and customer. Raises ProviderUnavailable, and NotAllowed."""
        found = await _read_valid(find_invoice(self._api, invoice_id))
        if found is None:
            return FailureFacts(invoice=_missing_invoice(invoice_id), missing=("invoice",))
        found = _apply_reported_failure(found, event)
        view, failed = await self._read_view(found), _failed_transaction(found, event)
        if failed is None:
            return FailureFacts(invoice=view, missing=("payment",))
        return FailureFacts(
            invoice=view,
            failure=failed.failure,
            card=failed.card,
            customer=_customer_view(failed),
            risk=Risk(disputed=failed.disputed),
            missing=() if failed.has_reason else ("code",),
        )

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the default one for None; None if it can't be determined. Never raises."""
        try:
            token = method_id or await self._default_method(invoice_id)
            found = await self._api.find_method(token) if token else None
        except (ProviderUnavailable, InvalidField):
            return None
        return card_of_instrument(found) if found else None

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """The invoice as it is now, and its customer's contact. Raises ProviderUnavailable, and NotAllowed."""
        return await _read_valid(contacts.read_customer_contact(self._api, invoice_id, customer_id))

    async def _read_view(self, found: Invoice) -> InvoiceView:
        return (await _read_valid(read_vault_if_allowed(self._api, found))).apply_to(found.to_view())

    async def _default_method(self, invoice_id: str) -> str | None:
        found = await find_invoice(self._api, invoice_id)
        return found.method_token if found else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Retries the subscription, or makes a new sale on the stored method.

        Raises ProviderUnavailable if the order was certainly not executed.
        """
        return await _read_valid(charging.charge_invoice(self._api, order))

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of an order, by the transactions of its invoice; UNKNOWN until one is found.

        Raises ProviderUnavailable, and NotAllowed if the key may not search.
        """
        return charging.reconcile_by_search(order, await _read_valid(find_invoice(self._api, order.invoice_id)))

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer of its transaction; unchanged if they can't be found.

        Raises ProviderUnavailable, and NotAllowed.
        """
        if event.invoice_id or not (event.payment_id or event.subscription_id):
            return event
        found = await self._api.find_transaction(event.payment_id) if event.payment_id else None
        try:
            one = parse_transaction(found) if found else None
            if one is None and event.subscription_id:
                return await self._resolve_by_subscription(event, event.subscription_id)
            if one and one.invoice_id is None and (subscription := one.subscription_id or event.subscription_id):
                one = await self._find_in_subscription(subscription, one) or one
        except InvalidField:
            return event
        if one is None:
            return event
        known = {"invoice_id": one.invoice_id, "customer_id": event.customer_id or one.customer_id}
        return event.model_copy(update=known | {"subscription_id": one.subscription_id or event.subscription_id})

    async def _resolve_by_subscription(self, event: ProviderEvent, name: str) -> ProviderEvent:
        """The event with the invoice of the subscription's current period, unless that began after the event."""
        period = to_date(attribute(await self._api.find_subscription(name), "billing_period_start_date"))
        if period is None or event.occurred_at.date() < period - _DAY:
            return event
        return event.model_copy(update={"invoice_id": f"{name}-{period.isoformat()}"})

    async def _find_in_subscription(self, name: str, one: TransactionView) -> TransactionView | None:
        """The transaction with its subscription's id and period; None if it isn't among the newest ones there."""
        found = await self._api.find_subscription(name)
        period = to_date(attribute(found, "billing_period_start_date"))
        if period is None or all(attribute(each, "id") != one.id for each in list_attribute(found, "transactions")):
            return None
        billing = invoice_of_subscription(found, name, period).billing
        return billing.name_transaction(one) if billing else None

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()


def _missing_invoice(invoice_id: str) -> InvoiceView:
    return InvoiceView(invoice_id=invoice_id, status=InvoiceStatus.MISSING)


def _customer_view(failed: TransactionView) -> CustomerView | None:
    """The customer; the billing address gives the country, by which paydays and quiet hours are chosen."""
    return CustomerView(customer_id=failed.customer_id, country=failed.country) if failed.customer_id else None


def _apply_reported_failure(found: Invoice, event: ProviderEvent | None) -> Invoice:
    """The invoice with the event's transaction failed, even if it still reads as paid (a returned debit)."""
    failed = event.failure if event and event.opens_recovery else None
    if failed is None or failed.charge_id is None:
        return found
    tries = (
        one.as_failed(DECLINED_STATUS, failed.code) if one.id == failed.charge_id else one for one in found.transactions
    )
    return replace(found, transactions=tuple(tries))


def _failed_transaction(found: Invoice, event: ProviderEvent | None) -> TransactionView | None:
    """The failed transaction that the event names, else the newest failed one."""
    wanted = event.failure.charge_id if event and event.failure else None
    failed = [one for one in found.transactions if one.has_failed]
    return next((one for one in failed if one.id == wanted), failed[0] if failed else None)


async def _read_valid(read: Awaitable[T]) -> T:
    """The result. Raises ProviderUnavailable for an unreadable answer: only reads, made before a charge, have one."""
    try:
        return await read
    except InvalidField as unfit:
        raise ProviderUnavailable(f"Braintree's answer doesn't fit: {unfit.field}.") from None
