"""Webhooks that come as late as a provider still sends them."""

import time
from datetime import timedelta
from typing import Final

from sandbox.models import Delivery, Document
from tests.faults.rounds.faults import Fault

THREE_DAYS: Final = timedelta(days=3)
"""How long Stripe goes on sending (docs.stripe.com/webhooks, automatic retries)."""
COUNT: Final = 12
NOWHERE: Final = Delivery(url="http://127.0.0.1:9", retry=False)


class WebhooksLate(Fault):
    """Webhooks arrive three days late: half of them by this stack's time scale, half by the calendar.

    A provider signs each delivery anew: the event keeps the `created` of then, the signature has the time of now
    (docs.stripe.com/webhooks, preventing replay attacks). Every third invoice was paid meanwhile, and that comes first.
    """

    name = "webhooks-three-days-late"

    async def inject(self) -> None:
        """Failures of then, and payments since, come all at once."""
        scale = int(self.target.service.stack.environment["TIME_SCALE"])
        delays = (THREE_DAYS, THREE_DAYS / scale)
        mark = self.target.draw.getrandbits(32)
        for number in range(COUNT):
            created = int(time.time() - delays[number % 2].total_seconds())
            for event in await self._fail_silently(f"in_late{mark:08x}x{number}", created, paid=number % 3 == 0):
                await self.target.service.sandbox.send_raw(event | {"created": created})

    async def _fail_silently(self, invoice: str, created: int, *, paid: bool) -> list[Document]:
        """The events of a failed payment that nobody has heard of, the newest first."""
        sandbox = self.target.service.sandbox
        ids = await sandbox.create_failed_invoice(invoice_id=invoice, created=created, unguarded=not paid)
        names = [ids.event]
        if paid:
            names += [event["id"] for event in (await sandbox.pay_hosted(invoice, delivery=NOWHERE)).events]
        return [await sandbox.read_event(name) for name in reversed(names)]
