"""The `/_control` routes for parts, debits, refunds, other objects' fields, and API keys."""

from fastapi import APIRouter, Request
from pydantic import Field

from sandbox import clocks_api, parts, rights, scenarios
from sandbox.control import Action, sent, world_of
from sandbox.events import envelope
from sandbox.models import Document, Happened, KeyRights, Model, Script
from sandbox.outcomes import parse

router = APIRouter(prefix="/_control", tags=["control"])
CHANGES = {
    "customers": ("customer", "customer.updated"),
    "invoices": ("invoice", "invoice.updated"),
    "subscriptions": ("subscription", "customer.subscription.updated"),
}
"""What can be changed by its fields, and the event that tells it."""


class Part(Action):
    """A further payment of an invoice: money that came, or a payment intent in any other status."""

    amount: int = Field(gt=0)
    status: str = "succeeded"
    payment_method: str | None = None


class Status(Action):
    """A status of a payment intent."""

    status: str


class Finish(Action):
    """What the bank says to a debit."""

    outcome: str = "succeed"


class Amount(Action):
    """How much; left out: all."""

    amount: int | None = None


class Change(Action):
    """Fields of an object as Stripe names them; `tell`: whether an event says so."""

    fields: Document
    tell: bool = True


class Key(Model):
    """An API key and what it may do."""

    key: str
    rights: KeyRights


@router.post("/invoices/{invoice_id}/part")
async def pay_part(request: Request, invoice_id: str, body: Part) -> Happened:
    """A further payment of the invoice."""
    world = world_of(request)
    with world.store.transaction():
        events = parts.pay_part(world, invoice_id, body.amount, body.status, body.payment_method)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/intent")
async def set_intent(request: Request, invoice_id: str, body: Status) -> Happened:
    """The default payment gets another status."""
    world = world_of(request)
    with world.store.transaction():
        events = parts.set_intent(world, invoice_id, body.status)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/finish_debit")
async def finish_debit(request: Request, invoice_id: str, body: Finish) -> Happened:
    """The bank answers a debit that is under way."""
    parse(body.outcome)
    world = world_of(request)
    with world.store.transaction():
        events = parts.finish_debit(world, invoice_id, body.outcome)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/refund")
async def refund(request: Request, invoice_id: str, body: Amount) -> Happened:
    """The merchant gives money back."""
    world = world_of(request)
    with world.store.transaction():
        events = parts.refund(world, invoice_id, body.amount)
    return await sent(world, events, body.delivery)


@router.post("/invoices/{invoice_id}/credit")
async def credit(request: Request, invoice_id: str, body: Amount) -> Happened:
    """The merchant credits a part of an open invoice."""
    world = world_of(request)
    with world.store.transaction():
        _, events = parts.credit(
            world, invoice_id, body.amount or world.need("invoice", invoice_id)["amount_remaining"]
        )
    return await sent(world, events, body.delivery)


@router.post("/{kind}/{document_id}/change")
async def change(request: Request, kind: str, document_id: str, body: Change) -> Happened:
    """The merchant changes an object on the dashboard."""
    if kind not in CHANGES:
        raise ValueError(f"nothing is changed of {kind!r}; one of {sorted(CHANGES)}")
    world, (name, event) = world_of(request), CHANGES[kind]
    with world.store.transaction():
        events = scenarios.change(world, name, document_id, body.fields, event if body.tell else None)
    return await sent(world, events, body.delivery)


@router.post("/customers/{customer_id}/delete")
async def delete_customer(request: Request, customer_id: str, body: Action) -> Happened:
    """The merchant deletes a customer."""
    world = world_of(request)
    with world.store.transaction():
        events = scenarios.delete_customer(world, customer_id)
    return await sent(world, events, body.delivery)


@router.put("/subscriptions/{subscription_id}/script")
async def script_renewals(request: Request, subscription_id: str, body: Script) -> Document:
    """What the first payments of this subscription's invoices do, in the order of renewals."""
    world = world_of(request)
    world.need("subscription", subscription_id)
    with world.store.transaction():
        return scenarios.set_script(world, subscription_id, body)


@router.get("/events/{event_id}")
async def read_event(request: Request, event_id: str) -> Document:
    """One recorded event as it is sent."""
    world = world_of(request)
    return envelope(world.need("event", event_id), world.config.shape)


@router.post("/test_clocks")
async def create_clock(request: Request, body: dict[str, int]) -> Document:
    """A test clock without a call of the API."""
    world = world_of(request)
    return world.store.put("test_clock", clocks_api.clock(body["frozen_time"], world.clock.now()))


@router.put("/keys")
async def set_key(request: Request, body: Key) -> Document:
    """Revoke or restrict an API key, or give it its rights back."""
    return rights.set_rights(world_of(request).store, body.key, body.rights)
