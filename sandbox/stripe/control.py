"""The `/_control` routes of the fake Stripe: ready-made invoices, and what happens to them outside of the API."""

from collections.abc import Callable
from typing import Annotated, Concatenate, ParamSpec

from fastapi import APIRouter, Body, Request
from pydantic import Field

from sandbox.models import ActionResult, CardAction, ControlAction, ControlModel, Delivery, Document, Script
from sandbox.stripe import scenarios
from sandbox.stripe.gateway import StripeGateway
from sandbox.stripe.models import FailedInvoice, FailedInvoiceIds
from sandbox.stripe.world import StripeWorld

router = APIRouter(prefix="/_control", tags=["control of the fake Stripe"])
P = ParamSpec("P")


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


class KeyLifetime(ControlModel):
    """Seconds for which idempotency keys are kept."""

    seconds: int = Field(gt=0)


def requested_gateway(request: Request) -> StripeGateway:
    """The fake Stripe that this app serves."""
    found: StripeGateway = request.app.state.stripe
    return found


def requested_world(request: Request) -> StripeWorld:
    """Its objects, as the connected account `?account=` sees them."""
    return requested_gateway(request).world.for_account(request.query_params.get("account"))


async def provoke_events(
    request: Request,
    body: ControlAction,
    act: Callable[Concatenate[StripeWorld, P], list[Document]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> ActionResult:
    """Let something happen in one transaction, and send the events about it."""
    world = requested_world(request)
    with world.store.transaction():
        events = act(world, *args, **kwargs)
    return await deliver_events(request, events, body.delivery)


async def deliver_events(request: Request, events: list[Document], delivery: Delivery) -> ActionResult:
    """What happened, and what became of its webhooks."""
    deliveries = await requested_gateway(request).webhooks.send_events(events, delivery)
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
    deliveries = await requested_gateway(request).webhooks.send_events([event], body.delivery) if body.delivery else []
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
    return await deliver_events(request, [event], body.delivery)


@router.post("/events/{event_id}/send")
async def resend_event(request: Request, event_id: str, body: ControlAction) -> ActionResult:
    """Send one recorded event again, whatever it is about."""
    world = requested_world(request)
    return await deliver_events(request, [world.require_document("event", event_id)], body.delivery)


@router.put("/key_lifetime")
async def set_key_lifetime(request: Request, body: KeyLifetime) -> KeyLifetime:
    """Idempotency keys are forgotten after this time, instead of a day."""
    requested_gateway(request).idempotency_keys.set_lifetime(body.seconds)
    return body


@router.post("/customers/{customer_id}/card")
async def add_card(request: Request, customer_id: str, body: CardAction) -> ActionResult:
    """The customer enters a new card."""
    return await provoke_events(
        request, body, scenarios.attach_new_card, customer_id, body.card, body.set_default, body.type
    )


@router.post("/payment_methods/{method_id}/auto_update")
async def update_card(request: Request, method_id: str, body: CardUpdate) -> ActionResult:
    """The card updater changes a card."""
    return await provoke_events(
        request, body, scenarios.apply_card_update, method_id, body.last4, body.exp_month, body.exp_year
    )


@router.post("/invoices/{invoice_id}/pay_hosted")
async def pay_hosted_invoice(request: Request, invoice_id: str, body: Annotated[ControlAction, Body()]) -> ActionResult:
    """The customer pays on the hosted page."""
    return await provoke_events(request, body, scenarios.pay_on_hosted_page, invoice_id)


@router.post("/invoices/{invoice_id}/close")
async def close_invoice(request: Request, invoice_id: str, body: CloseInvoice) -> ActionResult:
    """The merchant voids the invoice or writes it off."""
    return await provoke_events(request, body, scenarios.close_open_invoice, invoice_id, body.status)


@router.post("/invoices/{invoice_id}/end_subscription")
async def end_invoice_subscription(request: Request, invoice_id: str, body: ControlAction) -> ActionResult:
    """The subscription behind the invoice is canceled."""
    return await provoke_events(request, body, scenarios.end_subscription, invoice_id)


@router.post("/invoices/{invoice_id}/dispute")
async def dispute_invoice(request: Request, invoice_id: str, body: DisputeInvoice) -> ActionResult:
    """The cardholder disputes the latest charge."""
    return await provoke_events(request, body, scenarios.open_dispute, invoice_id, body.reason, body.status)


@router.post("/invoices/{invoice_id}/early_fraud_warning")
async def send_fraud_warning(request: Request, invoice_id: str, body: FraudWarning) -> ActionResult:
    """The issuer warns of fraud on the latest charge."""
    return await provoke_events(request, body, scenarios.warn_of_fraud, invoice_id, body.fraud_type)


@router.post("/invoices/{invoice_id}/provider_retry")
async def run_provider_retry(request: Request, invoice_id: str, body: ProviderRetry) -> ActionResult:
    """The provider's own schedule tries again."""
    return await provoke_events(
        request, body, scenarios.retry_by_provider, invoice_id, body.outcome, body.next_payment_attempt
    )
