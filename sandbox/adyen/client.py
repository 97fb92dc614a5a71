"""A typed client of the fake Adyen's control routes."""

from typing import Any
from urllib.parse import quote

from sandbox.adyen.models import Created, FailedPayment
from sandbox.client import AT_ONCE, SandboxClient
from sandbox.models import Delivery, Happened, LogEntry


class AdyenSandbox(SandboxClient):
    """Scripts, log and ledger as for Stripe; what is Adyen's own has methods of its own."""

    prefix = "adyen/"
    pay_path = "/payments"

    async def create_failed_payment(self, spec: FailedPayment | None = None, **fields: Any) -> Created:
        """A ready-made refused payment; fields of `FailedPayment` may be given by name."""
        given = spec.model_dump(exclude_unset=True) if spec else {}
        wanted = FailedPayment.model_validate(given | fields)
        return Created.model_validate(await self._post("failed_payments", wanted.model_dump(mode="json")))

    async def happens(
        self, invoice: str, event_code: str, *, success: bool = True, delivery: Delivery = AT_ONCE, **fields: Any
    ) -> Happened:
        """Adyen tells something about a payment; `reason`, `additional`, `amount` and `reference` may be given."""
        return await self._act(
            f"payments/{quote(invoice, safe='')}/happens", delivery, event_code=event_code, success=success, **fields
        )

    async def rescue(self, invoice: str, *, delivery: Delivery = AT_ONCE, **fields: Any) -> Happened:
        """Adyen's own tries go on and end; fields of `Rescue` by name."""
        return await self._act(f"payments/{quote(invoice, safe='')}/rescue", delivery, **fields)

    async def remove_token(self, token: str) -> None:
        """The stored method is gone."""
        await self._call("DELETE", f"tokens/{quote(token, safe='')}")

    async def events(self, invoice: str) -> list[str]:
        """The recorded events of a payment, oldest first."""
        return [str(name) for name in await self._call("GET", f"invoices/{quote(invoice, safe='')}/events")]

    async def send_events(self, *events: str, delivery: Delivery = AT_ONCE) -> Happened:
        """Send recorded events again, each by itself."""
        return await self._act("events/send", delivery, events=list(events))

    async def send_batch(self, *events: str, delivery: Delivery = AT_ONCE) -> Happened:
        """Send recorded events again, all in one body."""
        return await self._act("events/batch", delivery, events=list(events))

    async def payments(self, invoice: str) -> list[LogEntry]:
        """The payments asked for under this reference, replays included."""
        return await self.pay_calls(invoice)
