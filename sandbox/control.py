"""The `/_control` routes: prepare, script, provoke, and look."""

import json
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field

from sandbox import log, scenarios
from sandbox.errors import missing
from sandbox.models import (
    Card,
    Created,
    Delivery,
    Document,
    FailedInvoice,
    Fault,
    Happened,
    LedgerEntry,
    LogEntry,
    Model,
    Script,
)
from sandbox.outcomes import parse
from sandbox.world import World

router = APIRouter(prefix="/_control", tags=["control"])


class Action(Model):
    """What every provoking call takes: how its events are sent (left out: once, at once)."""

    delivery: Delivery = Delivery()


class CardAction(Action):
    """The new card, or method of another type, and whether it becomes the customer's default."""

    type: str = "card"
    card: Card = Card(last4="5556")
    set_default: bool = True


class CardUpdate(Action):
    """What the card updater knows; without `last4` only the expiry date changes."""

    last4: str | None = None
    exp_month: int = 12
    exp_year: int = 2034


class Close(Action):
    """How the merchant closes the invoice."""

    status: str = Field("void", pattern="^(void|uncollectible)$")


class Dispute(Action):
    """Stripe's dispute reason and status."""

    reason: str = "fraudulent"
    status: str = "needs_response"


class Warning_(Action):
    """Stripe's fraud type of the warning."""

    fraud_type: str = "unauthorized_use_of_card"


class ProviderRetry(Action):
    """What the provider's own retry does; left out, it consumes the script."""

    outcome: str | None = None
    next_payment_attempt: int | None = None


class Send(Action):
    """Which event of the invoice to send: the newest recorded one, or a fresh snapshot under a new id."""

    type: str = "invoice.payment_failed"
    fresh: bool = False


class Raw(Action):
    """Any JSON or text, signed and sent as it is."""

    event: Document | None = None
    payload: str | None = None


class Endpoint(Model):
    """Where webhooks go from now on."""

    url: str
    secret: str


def world_of(request: Request) -> World:
    """The sandbox that this app serves, as the connected account `?account=` sees it."""
    world: World = request.app.state.world
    return world.of(request.query_params.get("account"))


async def sent(world: World, events: list[Document], delivery: Delivery) -> Happened:
    """What happened, and what became of its webhooks."""
    deliveries = await world.webhooks.send(events, delivery)
    return Happened(events=[_brief(event) for event in events], deliveries=deliveries)


def _brief(event: Document) -> Document:
    return {name: event[name] for name in ("id", "type", "created", "invoice")}


@router.post("/failed_invoices")
async def create_failed_invoice(request: Request, body: FailedInvoice) -> Created:
    """A customer, a card, a failed invoice, its payment intent and charge, in one call."""
    platform = world_of(request)
    world = platform.of(body.account) if body.account else platform
    with world.store.transaction():
        if body.account:
            platform.store.put("account", {"id": body.account, "object": "account"})
        created, event = scenarios.create_failed_invoice(world, body)
    deliveries = await world.webhooks.send([event], body.delivery) if body.delivery else []
    return created.model_copy(update={"deliveries": deliveries})


@router.put("/invoices/{invoice_id}/script")
async def set_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next pay calls of this invoice do."""
    world = world_of(request)
    with world.store.transaction():
        return scenarios.script(world, invoice_id, body)


@router.get("/invoices/{invoice_id}/script")
async def get_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return world_of(request).control(invoice_id)


@router.post("/invoices/{invoice_id}/send")
async def send(request: Request, invoice_id: str, body: Send) -> Happened:
    """Send an event about the invoice, again or for the first time."""
    world = world_of(request)
    world.need("invoice", invoice_id)
    event = None if body.fresh else world.events.latest(body.type, invoice_id)
    event = event or scenarios.take_snapshot(world, invoice_id, body.type)
    return await sent(world, [event], body.delivery)


@router.post("/events/{event_id}/send")
async def send_event(request: Request, event_id: str, body: Action) -> Happened:
    """Send one recorded event again, whatever it is about."""
    world = world_of(request)
    event = world.store.get("event", event_id)
    if event is None:
        raise missing("event", event_id)
    return await sent(world, [event], body.delivery)


@router.post("/send_raw")
async def send_raw(request: Request, body: Raw) -> Happened:
    """Sign and send what is given, valid or not."""
    content = json.dumps(body.event) if body.payload is None else body.payload
    deliveries = await world_of(request).webhooks.send_bodies([content.encode()], body.delivery)
    return Happened(deliveries=deliveries)


@router.post("/customers/{customer_id}/card")
async def new_card(request: Request, customer_id: str, body: CardAction) -> Happened:
    """The customer enters a new card."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.new_card(world, customer_id, body.card, body.set_default, body.type)
    return await sent(world, events, body.delivery)


@router.post("/payment_methods/{method_id}/auto_update")
async def card_update(request: Request, method_id: str, body: CardUpdate) -> Happened:
    """The card updater changes a card."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.card_update(world, method_id, body.last4, body.exp_month, body.exp_year)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/pay_hosted")
async def pay_hosted(request: Request, invoice_id: str, body: Annotated[Action, Body()]) -> Happened:
    """The customer pays on the hosted page."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.pay_hosted(world, invoice_id)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/close")
async def close(request: Request, invoice_id: str, body: Close) -> Happened:
    """The merchant voids the invoice or writes it off."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.close(world, invoice_id, body.status)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/end_subscription")
async def end_subscription(request: Request, invoice_id: str, body: Action) -> Happened:
    """The subscription behind the invoice is canceled."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.end_subscription(world, invoice_id)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/dispute")
async def dispute(request: Request, invoice_id: str, body: Dispute) -> Happened:
    """The cardholder disputes the latest charge."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.open_dispute(world, invoice_id, body.reason, body.status)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/early_fraud_warning")
async def early_fraud_warning(request: Request, invoice_id: str, body: Warning_) -> Happened:
    """The issuer warns of fraud on the latest charge."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.warn_of_fraud(world, invoice_id, body.fraud_type)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/provider_retry")
async def provider_retry(request: Request, invoice_id: str, body: ProviderRetry) -> Happened:
    """The provider's own schedule tries again."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.provider_retry(world, invoice_id, body.outcome, body.next_payment_attempt)
    return await sent(world, events, body.delivery)


@router.post("/faults")
async def add_fault(request: Request, body: Fault) -> list[Fault]:
    """Script a fault of other calls than pay; gives all that wait."""
    parse(body.outcome)
    world = world_of(request)
    world.faults.append(body)
    return world.faults


@router.delete("/faults")
async def clear_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    world_of(request).faults.clear()
    return []


@router.get("/log")
async def read_log(request: Request, invoice: str | None = None) -> list[LogEntry]:
    """Requests in order, all or those of one invoice."""
    return [LogEntry.model_validate(row) for row in log.entries(world_of(request), invoice)]


@router.get("/ledger")
async def read_ledger(request: Request, invoice: str | None = None) -> list[LedgerEntry]:
    """Successful charges in order, all or those of one invoice."""
    return [LedgerEntry.model_validate(row) for row in world_of(request).store.rows("ledger", invoice)]


@router.post("/clock")
async def advance_clock(request: Request, body: dict[str, int]) -> dict[str, int]:
    """`{"advance": seconds}` moves the sandbox's clock forward (0: just read it)."""
    return {"now": world_of(request).clock.advance(body.get("advance", 0))}


@router.post("/webhook_endpoint")
async def set_endpoint(request: Request, body: Endpoint) -> Endpoint:
    """Send webhooks elsewhere from now on (until the sandbox ends)."""
    webhooks = world_of(request).webhooks
    webhooks.url, webhooks.secret = body.url, body.secret
    return body


@router.post("/idle")
async def idle(request: Request) -> dict[str, bool]:
    """Answers when no webhook delivery is on its way."""
    await world_of(request).webhooks.idle()
    return {"idle": True}
