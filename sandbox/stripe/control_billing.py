"""The `/_control` routes for parts, debits, refunds, other objects' fields, and API keys."""

from fastapi import APIRouter, Request
from pydantic import Field

from sandbox.models import ActionResult, ControlAction, ControlModel, Document, Script
from sandbox.outcomes import parse_outcome
from sandbox.stripe import api_keys, billing_cycles, partial_payments, scenarios
from sandbox.stripe.control import provoke_events, requested_world
from sandbox.stripe.events import event_envelope
from sandbox.stripe.models import KeyRights
from sandbox.stripe.world import StripeWorld

router = APIRouter(prefix="/_control", tags=["control of the fake Stripe"])
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
    return await provoke_events(
        request,
        body,
        partial_payments.record_partial_payment,
        invoice_id,
        body.amount,
        body.status,
        body.payment_method,
    )


@router.post("/invoices/{invoice_id}/intent")
async def set_intent_status(request: Request, invoice_id: str, body: IntentStatus) -> ActionResult:
    """The default payment gets another status."""
    return await provoke_events(request, body, partial_payments.apply_intent_status, invoice_id, body.status)


@router.post("/invoices/{invoice_id}/finish_debit")
async def finish_invoice_debit(request: Request, invoice_id: str, body: DebitResult) -> ActionResult:
    """The bank answers a debit that is under way."""
    parse_outcome(body.outcome)
    return await provoke_events(request, body, partial_payments.finish_debit, invoice_id, body.outcome)


@router.post("/invoices/{invoice_id}/refund")
async def refund_invoice(request: Request, invoice_id: str, body: AmountAction) -> ActionResult:
    """The merchant gives money back."""
    return await provoke_events(request, body, partial_payments.refund_charge, invoice_id, body.amount)


@router.post("/invoices/{invoice_id}/credit")
async def credit_invoice(request: Request, invoice_id: str, body: AmountAction) -> ActionResult:
    """The merchant credits a part of an open invoice."""
    return await provoke_events(request, body, _credit_amount, invoice_id, body.amount)


def _credit_amount(world: StripeWorld, invoice_id: str, amount: int | None) -> list[Document]:
    remaining = world.require_document("invoice", invoice_id)["amount_remaining"]
    return partial_payments.issue_credit_note(world, invoice_id, amount or remaining)[1]


@router.post("/{kind}/{document_id}/change")
async def change_object(request: Request, kind: str, document_id: str, body: ObjectChange) -> ActionResult:
    """The merchant changes an object on the dashboard."""
    if kind not in CHANGEABLE_KINDS:
        raise ValueError(f"nothing is changed of {kind!r}; one of {sorted(CHANGEABLE_KINDS)}")
    name, event = CHANGEABLE_KINDS[kind]
    told = event if body.tell else None
    return await provoke_events(request, body, scenarios.change_fields, name, document_id, body.fields, told)


@router.post("/customers/{customer_id}/delete")
async def remove_customer(request: Request, customer_id: str, body: ControlAction) -> ActionResult:
    """The merchant deletes a customer."""
    return await provoke_events(request, body, scenarios.delete_customer_objects, customer_id)


@router.put("/subscriptions/{subscription_id}/script")
async def script_renewals(request: Request, subscription_id: str, body: Script) -> Document:
    """What the first payments of this subscription's invoices do, in the order of renewals."""
    world = requested_world(request)
    world.require_document("subscription", subscription_id)
    with world.store.transaction():
        return world.store_script(subscription_id, body)


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
