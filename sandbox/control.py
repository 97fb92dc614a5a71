"""The `/_control` routes that every fake has: script and provoke its webhooks, and look at what happened."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException

from sandbox import request_log
from sandbox.models import (
    ActionResult,
    Delivery,
    Document,
    EventBatch,
    Fault,
    LedgerEntry,
    LogEntry,
    RawWebhook,
    Script,
    WebhookEndpoint,
)
from sandbox.outcomes import parse_outcome
from sandbox.webhook_sender import WebhookSender
from sandbox.world import SandboxWorld


class CommonRoutes:
    """Faults, clock, request log and ledger of the sandbox, and the webhooks of one fake as they are sent."""

    def __init__(self, world: SandboxWorld, webhook_sender: WebhookSender) -> None:
        self._world = world
        self._webhook_sender = webhook_sender

    def add_to(self, router: APIRouter) -> None:
        """Serve them below the router's prefix."""
        router.add_api_route("/send_raw", self.send_raw, methods=["POST"])
        router.add_api_route("/webhook_endpoint", self.set_webhook_endpoint, methods=["POST"])
        router.add_api_route("/idle", self.wait_until_idle, methods=["POST"])
        router.add_api_route("/faults", self.add_fault, methods=["POST"])
        router.add_api_route("/faults", self.clear_faults, methods=["DELETE"])
        router.add_api_route("/clock", self.advance_clock, methods=["POST"])
        router.add_api_route("/log", self.read_log, methods=["GET"])
        router.add_api_route("/ledger", self.read_ledger, methods=["GET"])

    async def send_raw(self, body: RawWebhook) -> ActionResult:
        """Sign and send what is given, valid or not."""
        content = json.dumps(body.event) if body.payload is None else body.payload
        return ActionResult(deliveries=await self._webhook_sender.send_bodies([content.encode()], body.delivery))

    async def set_webhook_endpoint(self, body: WebhookEndpoint) -> WebhookEndpoint:
        """Send webhooks elsewhere from now on (until the sandbox ends)."""
        self._webhook_sender.url, self._webhook_sender.secret = body.url, body.secret
        return body

    async def wait_until_idle(self) -> dict[str, bool]:
        """Answers when no webhook delivery is on its way."""
        await self._webhook_sender.wait_until_idle()
        return {"idle": True}

    async def add_fault(self, body: Fault) -> list[Fault]:
        """Script a fault of other calls than pay; gives all that wait, those of other fakes included."""
        parse_outcome(body.outcome)
        self._world.faults.append(body)
        return self._world.faults

    async def clear_faults(self) -> list[Fault]:
        """Forget all scripted faults."""
        self._world.faults.clear()
        return []

    async def advance_clock(self, body: dict[str, int]) -> dict[str, int]:
        """`{"advance": seconds}` moves the sandbox's clock forward, for every fake (0: just read it)."""
        return {"now": self._world.clock.advance(body.get("advance", 0))}

    async def read_log(self, invoice: str | None = None) -> list[LogEntry]:
        """Requests in order, all or those of one invoice."""
        return [LogEntry.model_validate(row) for row in request_log.read_log_entries(self._world, invoice)]

    async def read_ledger(self, invoice: str | None = None) -> list[LedgerEntry]:
        """Successful charges in order, all or those of one invoice."""
        return [LedgerEntry.model_validate(row) for row in self._world.store.read_rows("ledger", invoice)]


@dataclass(frozen=True)
class EventFormat:
    """How one fake keeps the webhooks that it has recorded."""

    kind: str
    """Of their documents, which have `id` and `invoice`."""
    type_of: Callable[[Document], str]
    body_of: Callable[[Document], bytes]


class RecordedEvents:
    """Sends the recorded webhooks of one fake, now and again."""

    def __init__(self, world: SandboxWorld, webhook_sender: WebhookSender, event_format: EventFormat) -> None:
        self._world = world
        self._webhook_sender = webhook_sender
        self._format = event_format

    async def send(self, events: list[Document], delivery: Delivery) -> ActionResult:
        """Send each in a body of its own; the events, and their deliveries when one waited for them."""
        bodies = [self._format.body_of(event) for event in events]
        deliveries = await self._webhook_sender.send_bodies(bodies, delivery)
        return ActionResult(events=[self._summary_of(event) for event in events], deliveries=deliveries)

    def require(self, name: str) -> Document:
        """One recorded event. Raises HTTPException (404) where there is none of that name."""
        found = self._world.store.get(self._format.kind, name)
        if found is None:
            raise HTTPException(404, "no such event")
        return found

    def names_of(self, invoice_id: str) -> list[str]:
        """The names of an invoice's events, oldest first."""
        return [event["id"] for event in reversed(self._world.store.find(self._format.kind, invoice=invoice_id))]

    def _summary_of(self, event: Document) -> Document:
        return {"id": event["id"], "type": self._format.type_of(event), "invoice": event["invoice"]}


class InvoiceRoutes:
    """The script and the recorded events of an invoice, for fakes that keep no invoices of their own."""

    def __init__(self, world: SandboxWorld, events: RecordedEvents, script_name: Callable[[str], str]) -> None:
        self._world = world
        self._events = events
        self._script_name = script_name

    def add_to(self, router: APIRouter, invoice: str = "/invoices/{invoice_id}") -> None:
        """Serve them below the router's prefix; `invoice` is the path of one invoice."""
        router.add_api_route(f"{invoice}/script", self.set_script, methods=["PUT"])
        router.add_api_route(f"{invoice}/script", self.get_script, methods=["GET"])
        router.add_api_route(f"{invoice}/events", self.list_events, methods=["GET"])
        router.add_api_route("/events/send", self.resend_events, methods=["POST"])

    async def set_script(self, invoice_id: str, body: Script) -> Document:
        """What the next charges of this invoice do."""
        with self._world.store.transaction():
            return self._world.store_script(self._script_name(invoice_id), body)

    async def get_script(self, invoice_id: str) -> Document:
        """What is left of the script."""
        return self._world.script_control(self._script_name(invoice_id))

    async def list_events(self, invoice_id: str) -> list[str]:
        """The recorded events of an invoice, oldest first."""
        return self._events.names_of(invoice_id)

    async def resend_events(self, body: EventBatch) -> ActionResult:
        """Send recorded events again, each in a body of its own, in this order."""
        return await self._events.send([self._events.require(name) for name in body.events], body.delivery)
