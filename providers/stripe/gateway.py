"""The charging side of Stripe: reads invoices, charges them, and reconciles charges without a definite answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from core.errors import ProviderUnavailable
from core.messages.recipients import MessageRecipient
from core.payments import Card, ChargeOrder, ChargeResult, FailureFacts, InvoiceView, ProviderEvent
from providers.base import unknown_result
from providers.fields import InvalidField
from providers.stripe import charging, contacts, failure_reader, invoice_reader, methods, payments
from providers.stripe.api import CALL_SECONDS, StripeApi
from providers.stripe.config import StripeConfig
from providers.stripe.reconciliation import reconcile_by_payment

T = TypeVar("T")
LONGEST_REQUEST: Final = timedelta(seconds=80) + timedelta(seconds=40)
"""Stripe's official client waits 80 seconds for an answer (`timeout` in stripe-python's `_http_client.py`); Stripe
publishes no limit of its servers. The margin is for our own delay before the request, and for clocks."""


class StripeGateway:
    """One Stripe account, over its HTTP API. `call_seconds` limits a charge, and all reads of one question together."""

    def __init__(
        self,
        config: StripeConfig,
        call_seconds: float = CALL_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Stripe keeps keys for at least 24 hours (docs.stripe.com/api/idempotent_requests); an hour is for clocks and
        # for a repeat that is already on its way.
        self.idempotency: timedelta | None = timedelta(hours=23)
        self.can_read = True
        self.longest_request = LONGEST_REQUEST
        self._api = StripeApi(config, call_seconds)
        self._clock = clock

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with the state of its payments; MISSING if Stripe has none.

        Raises ProviderUnavailable, and NotAllowed if the key may not read it.
        """
        return await self._read_in_time(invoice_reader.read_invoice_view(self._api, invoice_id, self._clock()))

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """The failed payment, its card, customer and risk; the event's codes fill what can't be read.

        Raises ProviderUnavailable if the invoice or its payment could not be read, and NotAllowed if the key may not
        read the invoice.
        """
        return await self._read_in_time(failure_reader.read_failure(self._api, invoice_id, event, self._clock()))

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the default one for None; None if it can't be determined. Never raises."""
        if method_id:
            return await methods.read_card(self._api, method_id)
        try:
            claim = await self._read_in_time(invoice_reader.read_expanded_invoice(self._api, invoice_id, self._clock()))
        except ProviderUnavailable:
            return None
        card = claim.methods.effective_method.card if claim and claim.methods.effective_method else None
        return card if card and (card.fingerprint or card.kind) else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Pays the invoice under the order's key. Raises ProviderUnavailable if it was certainly not executed."""
        # Not within `_read_in_time`: a charge that was sent has a result, UNKNOWN at least, and never an error.
        return await charging.pay_invoice(self._api, order, self._clock())

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of an order, by reading invoice and payment; UNKNOWN if they don't tell.

        Raises ProviderUnavailable, and NotAllowed if the key may not read the invoice.
        """
        return await self._read_in_time(self._reconcile_order(order))

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with the invoice and customer of its payment. Raises ProviderUnavailable, and NotAllowed."""
        return await self._read_in_time(payments.resolve_event_owner(self._api, event))

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """The invoice, and its customer's contact as Stripe has it now. Raises ProviderUnavailable, and NotAllowed."""
        return await self._read_in_time(
            contacts.read_invoice_contact(self._api, invoice_id, customer_id, self._clock())
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()

    async def _reconcile_order(self, order: ChargeOrder) -> ChargeResult:
        invoice = await invoice_reader.read_invoice(self._api, order.invoice_id)
        if invoice is None:
            return unknown_result("invoice_missing")
        payment = await invoice_reader.read_main_payment(self._api, invoice)
        return reconcile_by_payment(order, invoice, payment, self._clock())

    async def _read_in_time(self, read: Awaitable[T]) -> T:
        """The result of a read of several calls, within one limit; raises ProviderUnavailable if an answer is unusable.

        A read changes nothing, so an unreadable answer and a slow one are alike: the activity reads again later.
        """
        try:
            async with asyncio.timeout(self._api.seconds):
                return await read
        except InvalidField as unfit:
            raise ProviderUnavailable(f"Stripe's answer doesn't fit: {unfit.field}.") from None
        except TimeoutError:
            raise ProviderUnavailable("Stripe took too long to answer.") from None
