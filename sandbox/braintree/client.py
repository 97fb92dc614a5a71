"""A typed client of the fake Braintree's control routes."""

from typing import Any

from sandbox.braintree.models import FailedPayment, FailedTransactionIds
from sandbox.client import AT_ONCE, SandboxClient
from sandbox.models import ActionResult, Card, Delivery


class BraintreeSandboxClient(SandboxClient):
    """Scripts, log and ledger as for Stripe; what is Braintree's own has methods of its own."""

    prefix = "braintree/"
    pay_path = "/transactions"

    async def create_failed_payment(self, spec: FailedPayment | None = None, **fields: Any) -> FailedTransactionIds:
        """A ready-made failed transaction; fields of `FailedPayment` may be given by name."""
        given = spec.model_dump(exclude_unset=True) if spec else {}
        wanted = FailedPayment.model_validate(given | fields)
        return FailedTransactionIds.model_validate(await self._post("failed_payments", wanted.model_dump(mode="json")))

    async def report_event(
        self, invoice: str, kind: str, *, delivery: Delivery = AT_ONCE, **fields: Any
    ) -> ActionResult:
        """Braintree tells something about an invoice; `reason` and `decline_code` may be given."""
        return await self._post_action(f"payments/{invoice}/happens", delivery, kind=kind, **fields)

    async def store_card(self, customer: str, card: Card | None = None) -> str:
        """The customer stores another card; gives its token."""
        chosen = (card or Card(last4="5556")).model_dump(mode="json")
        made = await self._post(f"customers/{customer}/card", {"card": chosen})
        return str(made["payment_method"])

    async def delete_method(self, token: str) -> bool:
        """A stored method is deleted."""
        return bool((await self._request_json("DELETE", f"payment_methods/{token}"))["deleted"])

    async def remove_customer(self, customer: str) -> bool:
        """A customer is deleted with all that was stored for them."""
        return bool((await self._request_json("DELETE", f"customers/{customer}"))["deleted"])

    async def list_events(self, invoice: str) -> list[str]:
        """The recorded webhooks of an invoice, oldest first."""
        return [str(name) for name in await self._request_json("GET", f"invoices/{invoice}/events")]

    async def read_webhook_xml(self, event: str) -> str:
        """The XML of a recorded webhook."""
        return str((await self._request_json("GET", f"events/{event}"))["xml"])

    async def send_events(self, *events: str, delivery: Delivery = AT_ONCE) -> ActionResult:
        """Send recorded webhooks again, in this order."""
        return await self._post_action("events/send", delivery, events=list(events))
