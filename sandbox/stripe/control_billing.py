"""The `/_control` routes for parts, debits, refunds, other objects' fields, and API keys."""

from fastapi import APIRouter, Request
from pydantic import Field

from sandbox.control import ControlAction, deliver_events, requested_world
from sandbox.models import ActionResult, ControlModel, Document, KeyRights, Script
from sandbox.outcomes import parse_outcome
from sandbox.stripe import api_keys, billing_cycles, partial_payments, scenarios
from sandbox.stripe.events import event_envelope

router = APIRouter(prefix="/_control", tags=["control"])
CHANGEABLE_KINDS = {
    "customers": ("customer", "customer.updated"),
    "invoices": ("invoice", "invoice.updated"),
    "subscriptions": ("subscription", "customer.subscription.updated"),
}
"""The kinds of objects whose fields can be changed, and the event that each change sends."""


class PartialPayment(ControlAction):
    """A further payment of an invoice: money that came, or a payment intent in any other status."""

    amount: int = Field(gt=0)
    status: str = "succeeded"
    payment_method: str | None = None


class IntentStatus(ControlAction):
    """A status of a payment intent."""

    status: str


class DebitResult(ControlAction):
    """What the bank says to a debit."""

    outcome: str = "succeed"


class AmountAction(ControlAction):
    """How much; left out: all."""

    amount: int | None = None


class ObjectChange(ControlAction):
    """Fields of an object as Stripe names them; `tell`: whether an event says so."""

    fields: Document
    tell: bool = True


class ApiKeyRights(ControlModel):
    """An API key and what it may do."""

    key: str
    rights: KeyRights


@router.post("/invoices/{invoice_id}/part")
async def pay_invoice_part(request: Request, invoice_id: str, body: PartialPayment) -> ActionResult:
    """A further payment of the invoice."""
    world = requested_world(request)
    with world.store.transaction():
        events = partial_payments.record_partial_payment(
            world, invoice_id, body.amount, body.status, body.payment_method
        )
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/intent")
async def set_intent_status(request: Request, invoice_id: str, body: IntentStatus) -> ActionResult:
    """The default payment gets another status."""
    world = requested_world(request)
    with world.store.transaction():
        events = partial_payments.apply_intent_status(world, invoice_id, body.status)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/finish_debit")
async def finish_invoice_debit(request: Request, invoice_id: str, body: DebitResult) -> ActionResult:
    """The bank answers a debit that is under way."""
    parse_outcome(body.outcome)
    world = requested_world(request)
    with world.store.transaction():
        events = partial_payments.finish_debit(world, invoice_id, body.outcome)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/refund")
async def refund_invoice(request: Request, invoice_id: str, body: AmountAction) -> ActionResult:
    """The merchant gives money back."""
    world = requested_world(request)
    with world.store.transaction():
        events = partial_payments.refund_charge(world, invoice_id, body.amount)
    return await deliver_events(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/credit")
async def credit_invoice(request: Request, invoice_id: str, body: AmountAction) -> ActionResult:
    """The merchant credits a part of an open invoice."""
    world = requested_world(request)
    with world.store.transaction():
        _, events = partial_payments.issue_credit_note(
            world, invoice_id, body.amount or world.require_document("invoice", invoice_id)["amount_remaining"]
        )
    return await deliver_events(world, events, body.delivery)


@router.post("/{kind}/{document_id}/change")
async def change_object(request: Request, kind: str, document_id: str, body: ObjectChange) -> ActionResult:
    """The merchant changes an object on the dashboard."""
    if kind not in CHANGEABLE_KINDS:
        raise ValueError(f"nothing is changed of {kind!r}; one of {sorted(CHANGEABLE_KINDS)}")
    world, (name, event) = requested_world(request), CHANGEABLE_KINDS[kind]
    with world.store.transaction():
        events = scenarios.change_fields(world, name, document_id, body.fields, event if body.tell else None)
    return await deliver_events(world, events, body.delivery)


@router.post("/customers/{customer_id}/delete")
async def remove_customer(request: Request, customer_id: str, body: ControlAction) -> ActionResult:
    """The merchant deletes a customer."""
    world = requested_world(request)
    with world.store.transaction():
        events = scenarios.delete_customer_objects(world, customer_id)
    return await deliver_events(world, events, body.delivery)


@router.put("/subscriptions/{subscription_id}/script")
async def script_renewals(request: Request, subscription_id: str, body: Script) -> Document:
    """What the first payments of this subscription's invoices do, in the order of renewals."""
    world = requested_world(request)
    world.require_document("subscription", subscription_id)
    with world.store.transaction():
        return scenarios.store_script(world, subscription_id, body)


@router.get("/events/{event_id}")
async def read_recorded_event(request: Request, event_id: str) -> Document:
    """One recorded event as it is sent."""
    world = requested_world(request)
    return event_envelope(world.require_document("event", event_id), world.config.shape)


@router.post("/test_clocks")
async def add_test_clock(request: Request, body: dict[str, int]) -> Document:
    """A test clock without a call of the API."""
    world = requested_world(request)
    return world.store.put("test_clock", billing_cycles.build_test_clock(body["frozen_time"], world.clock.now()))


@router.put("/keys")
async def set_api_key_rights(request: Request, body: ApiKeyRights) -> Document:
    """Revoke or restrict an API key, or give it its rights back."""
    return api_keys.store_key_rights(requested_world(request).store, body.key, body.rights)
