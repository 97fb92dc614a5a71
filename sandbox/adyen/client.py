"""A typed client of the fake Adyen's control routes."""

from typing import Any
from urllib.parse import quote

from sandbox.adyen.models import FailedPayment, FailedPaymentIds
from sandbox.client import AT_ONCE, SandboxClient
from sandbox.models import ActionResult, Delivery, LogEntry


class AdyenSandboxClient(SandboxClient):
    """Scripts, log and ledger as for Stripe; what is Adyen's own has methods of its own."""

    prefix = "adyen/"
    pay_path = "/payments"

    async def create_failed_payment(self, spec: FailedPayment | None = None, **fields: Any) -> FailedPaymentIds:
        """A ready-made refused payment; fields of `FailedPayment` may be given by name."""
        given = spec.model_dump(exclude_unset=True) if spec else {}
        wanted = FailedPayment.model_validate(given | fields)
        return FailedPaymentIds.model_validate(await self._post("failed_payments", wanted.model_dump(mode="json")))

    async def report_event(
        self, invoice: str, event_code: str, *, success: bool = True, delivery: Delivery = AT_ONCE, **fields: Any
    ) -> ActionResult:
        """Adyen tells something about a payment; `reason`, `additional`, `amount` and `reference` may be given."""
        return await self._post_action(
            f"payments/{quote(invoice, safe='')}/happens", delivery, event_code=event_code, success=success, **fields
        )

    async def run_rescue(self, invoice: str, *, delivery: Delivery = AT_ONCE, **fields: Any) -> ActionResult:
        """Adyen's own tries go on and end; fields of `Rescue` by name."""
        return await self._post_action(f"payments/{quote(invoice, safe='')}/rescue", delivery, **fields)

    async def remove_token(self, token: str) -> None:
        """The stored method is gone."""
        await self._request_json("DELETE", f"tokens/{quote(token, safe='')}")

    async def list_events(self, invoice: str) -> list[str]:
        """The recorded events of a payment, oldest first."""
        return [str(name) for name in await self._request_json("GET", f"invoices/{quote(invoice, safe='')}/events")]

    async def send_events(self, *events: str, delivery: Delivery = AT_ONCE) -> ActionResult:
        """Send recorded events again, each by itself."""
        return await self._post_action("events/send", delivery, events=list(events))

    async def send_batch(self, *events: str, delivery: Delivery = AT_ONCE) -> ActionResult:
        """Send recorded events again, all in one body."""
        return await self._post_action("events/batch", delivery, events=list(events))

    async def read_payments(self, invoice: str) -> list[LogEntry]:
        """The payments asked for under this reference, replays included."""
        return await self.pay_calls(invoice)
