"""The charging side: Adyen knows payments, not invoices, so there is nothing to read; webhooks and repeats tell."""

from datetime import timedelta

from core.errors import ProviderUnavailable
from core.payments import Card, ChargeOrder, ChargeResult, FailureFacts, InvoiceView, ProviderEvent
from providers.adyen import charging
from providers.adyen.api import CALL_SECONDS, AdyenApi
from providers.adyen.config import AdyenConfig
from providers.base import unknown_result


class AdyenGateway:
    """One merchant account, over the Checkout API."""

    def __init__(self, config: AdyenConfig, call_seconds: float = CALL_SECONDS) -> None:
        # Documented: at least 7 days (docs.adyen.com/development-resources/api-idempotency); an hour for clocks.
        self.idempotency: timedelta | None = timedelta(days=7) - timedelta(hours=1)
        self.can_read = False
        self._account = config.merchant_account
        self._api = AdyenApi(config, call_seconds)

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """Always raises ProviderUnavailable: Adyen keeps no invoices."""
        raise ProviderUnavailable(f"Adyen can't be asked about {invoice_id}: it keeps no invoices.")

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:  # noqa: ARG002
        """Always raises ProviderUnavailable: its webhook has said all there is."""
        raise ProviderUnavailable(f"Adyen can't be asked about {invoice_id}: it keeps no invoices.")

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:  # noqa: ARG002
        """The card of a stored method is named by its token; which one is the default, Adyen doesn't know."""
        return Card(fingerprint=method_id) if method_id else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Pay with the stored method under the order's key. Raises ProviderUnavailable where surely not executed."""
        return await charging.make_payment(self._api, self._account, order)

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:  # noqa: ARG002
        """UNKNOWN: there is nothing to read."""
        return unknown_result("not_readable")

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event as it is: it names its invoice, or nobody can."""
        return event

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()
