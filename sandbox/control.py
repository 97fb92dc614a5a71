"""The `/_control` routes: prepare, script, provoke, and look."""

import json
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field

from sandbox import request_log
from sandbox.models import (
    ActionResult,
    Card,
    ControlModel,
    Delivery,
    Document,
    FailedInvoice,
    FailedInvoiceIds,
    Fault,
    LedgerEntry,
    LogEntry,
    Script,
)
from sandbox.outcomes import parse_outcome
from sandbox.stripe import scenarios
from sandbox.stripe.errors import resource_missing
from sandbox.world import SandboxWorld

router = APIRouter(prefix="/_control", tags=["control"])


class ControlAction(ControlModel):
    """What every provoking call takes: how its events are sent (left out: once, at once)."""

    delivery: Delivery = Delivery()


class CardAction(ControlAction):
    """The new card, or method of another type, and whether it becomes the customer's default."""

    type: str = "card"
    card: Card = Card(last4="5556")
    set_default: bool = True


class CardUpdate(ControlAction):
    """What the card updater knows; without `last4` only the expiry date changes."""

    last4: str | None = None
    exp_month: int = 12
    exp_year: int = 2034


class CloseInvoice(ControlAction):
    """How the merchant closes the invoice."""

    status: str = Field("void", pattern="^(void|uncollectible)$")


class DisputeInvoice(ControlAction):
    """Stripe's dispute reason and status."""

    reason: str = "fraudulent"
    status: str = "needs_response"


class FraudWarning(ControlAction):
    """Stripe's fraud type of the warning."""

    fraud_type: str = "unauthorized_use_of_card"


class ProviderRetry(ControlAction):
    """What the provider's own retry does; left out, it consumes the script."""

    outcome: str | None = None
    next_payment_attempt: int | None = None


class SendInvoiceEvent(ControlAction):
    """Which event of the invoice to send: the newest recorded one, or a fresh snapshot under a new id."""

    type: str = "invoice.payment_failed"
    fresh: bool = False


class RawWebhook(ControlAction):
    """Any JSON or text, signed and sent as it is."""

    event: Document | None = None
    payload: str | None = None


class WebhookEndpoint(ControlModel):
    """Where webhooks go from now on."""

    url: str
    secret: str


def requested_world(request: Request) -> SandboxWorld:
    """The sandbox that this app serves, as the connected account `?account=` sees it."""
    world: SandboxWorld = request.app.state.world
    return world.for_account(request.query_params.get("account"))


async def deliver_events(world: SandboxWorld, events: list[Document], delivery: Delivery) -> ActionResult:
    """What happened, and what became of its webhooks."""
    deliveries = await world.webhooks.send_events(events, delivery)
    return ActionResult(events=[_event_summary(event) for event in events], deliveries=deliveries)


def _event_summary(event: Document) -> Document:
    return {name: event[name] for name in ("id", "type", "created", "invoice")}


@router.post("/failed_invoices")
async def create_failed_invoice(request: Request, body: FailedInvoice) -> FailedInvoiceIds:
    """A customer, a card, a failed invoice, its payment intent and charge, in one call."""
    platform = requested_world(request)
    world = platform.for_account(body.account) if body.account else platform
    with world.store.transaction():
        if body.account:
            platform.store.put("account", {"id": body.account, "object": "account"})
        created, event = scenarios.store_failed_invoice(world, body)
    deliveries = await world.webhooks.send_events([event], body.delivery) if body.delivery else []
    return created.model_copy(update={"deliveries": deliveries})


@router.put("/invoices/{invoice_id}/script")
async def set_invoice_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next pay calls of this invoice do."""
    world = requested_world(request)
    with world.store.transaction():
        return scenarios.store_invoice_script(world, invoice_id, body)


@router.get("/invoices/{invoice_id}/script")
async def get_invoice_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return requested_world(request).script_control(invoice_id)


@router.post("/invoices/{invoice_id}/send")
async def send_invoice_event(request: Request, invoice_id: str, body: SendInvoiceEvent) -> ActionResult:
    """Send an event about the invoice, again or for the first time."""
    world = requested_world(request)
    world.require_document("invoice", invoice_id)
    event = None if body.fresh else world.events.find_latest(body.type, invoice_id)
    event = event or scenarios.take_snapshot(world, invoice_id, body.type)
    return await deliver_events(world, [event], body.delivery)


@router.post("/events/{event_id}/send")
async def resend_event(request: Request, event_id: str, body: ControlAction) -> ActionResult:
    """Send one recorded event again, whatever it is about."""
    world = requested_world(request)
    event = world.store.get("event", event_id)
    if event is None:
        raise resource_missing("event", event_id)
    return await deliver_events(world, [event], body.delivery)


@router.post("/send_raw")
async def send_raw_webhook(request: Request, body: RawWebhook) -> ActionResult:
    """Sign and send what is given, valid or not."""
    content = json.dumps(body.event) if body.payload is None else body.payload
    deliveries = await requested_world(request).webhooks.send_bodies([content.encode()], body.delivery)
    return ActionResult(deliveries=deliveries)


@router.post("/customers/{customer_id}/card")
async def add_card(request: Request, customer_id: str, body: CardAction) -> ActionResult:
    """The customer enters a new card."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.attach_new_card(world, customer_id, body.card, body.set_default, body.type)
    return await deliver_events(world, events, body.delivery)


@router.post("/payment_methods/{method_id}/auto_update")
async def update_card(request: Request, method_id: str, body: CardUpdate) -> ActionResult:
    """The card updater changes a card."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.apply_card_update(world, method_id, body.last4, body.exp_month, body.exp_year)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/pay_hosted")
async def pay_hosted_invoice(request: Request, invoice_id: str, body: Annotated[ControlAction, Body()]) -> ActionResult:
    """The customer pays on the hosted page."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.pay_on_hosted_page(world, invoice_id)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/close")
async def close_invoice(request: Request, invoice_id: str, body: CloseInvoice) -> ActionResult:
    """The merchant voids the invoice or writes it off."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.close_open_invoice(world, invoice_id, body.status)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/end_subscription")
async def end_invoice_subscription(request: Request, invoice_id: str, body: ControlAction) -> ActionResult:
    """The subscription behind the invoice is canceled."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.end_subscription(world, invoice_id)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/dispute")
async def dispute_invoice(request: Request, invoice_id: str, body: DisputeInvoice) -> ActionResult:
    """The cardholder disputes the latest charge."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.open_dispute(world, invoice_id, body.reason, body.status)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/early_fraud_warning")
async def send_fraud_warning(request: Request, invoice_id: str, body: FraudWarning) -> ActionResult:
    """The issuer warns of fraud on the latest charge."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.warn_of_fraud(world, invoice_id, body.fraud_type)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/provider_retry")
async def run_provider_retry(request: Request, invoice_id: str, body: ProviderRetry) -> ActionResult:
    """The provider's own schedule tries again."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.retry_by_provider(world, invoice_id, body.outcome, body.next_payment_attempt)
    return await deliver_events(world, events, body.delivery)


@router.post("/faults")
async def add_fault(request: Request, body: Fault) -> list[Fault]:
    """Script a fault of other calls than pay; gives all that wait."""
    parse_outcome(body.outcome)
    world = requested_world(request)
    world.faults.append(body)
    return world.faults


@router.delete("/faults")
async def clear_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    requested_world(request).faults.clear()
    return []


@router.get("/log")
async def read_request_log(request: Request, invoice: str | None = None) -> list[LogEntry]:
    """Requests in order, all or those of one invoice."""
    return [LogEntry.model_validate(row) for row in request_log.read_log_entries(requested_world(request), invoice)]


@router.get("/ledger")
async def read_charge_ledger(request: Request, invoice: str | None = None) -> list[LedgerEntry]:
    """Successful charges in order, all or those of one invoice."""
    return [LedgerEntry.model_validate(row) for row in requested_world(request).store.read_rows("ledger", invoice)]


@router.post("/clock")
async def advance_sandbox_clock(request: Request, body: dict[str, int]) -> dict[str, int]:
    """`{"advance": seconds}` moves the sandbox's clock forward (0: just read it)."""
    return {"now": requested_world(request).clock.advance(body.get("advance", 0))}


@router.post("/webhook_endpoint")
async def set_webhook_endpoint(request: Request, body: WebhookEndpoint) -> WebhookEndpoint:
    """Send webhooks elsewhere from now on (until the sandbox ends)."""
    webhooks = requested_world(request).webhooks
    webhooks.url, webhooks.secret = body.url, body.secret
    return body


@router.post("/idle")
async def wait_until_idle(request: Request) -> dict[str, bool]:
    """Answers when no webhook delivery is on its way."""
    await requested_world(request).webhooks.wait_until_idle()
    return {"idle": True}
