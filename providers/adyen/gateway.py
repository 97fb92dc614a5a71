"""The charging side of Adyen, which has no invoices to read: unknown charges are reconciled by webhook or repeat."""

from datetime import timedelta
from typing import Final

from core.errors import ProviderUnavailable
from core.payments import Card, ChargeOrder, ChargeResult, FailureFacts, InvoiceView, ProviderEvent
from providers.adyen import charging
from providers.adyen.api import CALL_SECONDS, AdyenApi
from providers.adyen.config import AdyenConfig
from providers.base import unknown_result

LONGEST_REQUEST: Final = timedelta(seconds=150) + timedelta(seconds=150)
"""Adyen cancels what an issuer hasn't processed after 150 seconds at most; published for terminals only
(docs.adyen.com/point-of-sale/error-scenarios/pos-timeouts), and its own library waits 30 seconds. As much again is for
the webhook: it is sent at once, and three times more if it isn't taken
(docs.adyen.com/development-resources/webhooks)."""


class AdyenGateway:
    """One merchant account, over the Checkout API."""

    def __init__(self, config: AdyenConfig, call_seconds: float = CALL_SECONDS) -> None:
        # Keys are valid for at least 7 days (docs.adyen.com/development-resources/api-idempotency); an hour is for
        # clocks and for a repeat that is already on its way.
        self.idempotency: timedelta | None = timedelta(days=7) - timedelta(hours=1)
        self.can_read = False
        self.longest_request = LONGEST_REQUEST
        self._account = config.merchant_account
        self._api = AdyenApi(config, call_seconds)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """Always raises ProviderUnavailable: Adyen keeps no invoices."""
        raise ProviderUnavailable(f"Adyen can't be asked about {invoice_id}: it keeps no invoices.")

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:  # noqa: ARG002
        """Always raises ProviderUnavailable: only the webhook of the payment holds these facts."""
        raise ProviderUnavailable(f"Adyen can't be asked about {invoice_id}: it keeps no invoices.")

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:  # noqa: ARG002
        """The card of a stored method, identified by its token alone; None without one, since Adyen has no defaults."""
        return Card(fingerprint=method_id) if method_id else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Pays with the stored method under the order's key.

        Raises ProviderUnavailable if it was certainly not executed.
        """
        return await charging.make_payment(self._api, self._account, order)

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:  # noqa: ARG002
        """Always UNKNOWN: payments can't be read."""
        return unknown_result("not_readable")

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event unchanged: there is nothing to read that would name its invoice."""
        return event

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()
