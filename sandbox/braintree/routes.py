"""The fake Braintree over HTTP: its API under `/braintree`, its control routes under `/_control/braintree`."""

from typing import Annotated

from fastapi import APIRouter, Body, FastAPI, HTTPException, Request
from fastapi.responses import Response

from sandbox import control
from sandbox.braintree import transaction_events, transactions, webhooks, xml
from sandbox.braintree.gateway import BraintreeGateway
from sandbox.braintree.models import FailedPayment, FailedTransactionIds, TransactionEvent, WebhookBatch
from sandbox.calls import Call
from sandbox.models import ActionResult, Card, Delivery, Document, Fault, LedgerEntry, LogEntry, Script
from sandbox.stripe import scenarios
from sandbox.world import SandboxWorld

router = APIRouter(prefix="/_control/braintree", tags=["control of the fake Braintree"])


def mount_braintree(app: FastAPI, gateway: BraintreeGateway) -> None:
    """Serve the fake Braintree as part of this app."""
    app.state.braintree = gateway
    app.include_router(router)
    methods = ["GET", "POST", "PUT", "DELETE"]
    app.add_api_route("/braintree/{path:path}", answer_braintree_call, methods=methods, include_in_schema=False)


async def answer_braintree_call(request: Request) -> Response:
    """Every call of the fake API."""
    answer = await requested_braintree_gateway(request).handle(_parse_call(request, await request.body()))
    if answer.drop:
        await request.scope["sandbox.cut"]()
    content = answer.body if isinstance(answer.body, str) else ""
    return Response(content, answer.status, answer.headers, media_type="application/xml")


def requested_braintree_gateway(request: Request) -> BraintreeGateway:
    """The fake Braintree that this app serves."""
    found: BraintreeGateway = request.app.state.braintree
    return found


def _parse_call(request: Request, body: bytes) -> Call:
    try:
        params = xml.parse_document(body.decode())
    except ValueError:
        params = {}
    return Call(
        method=request.method,
        path=request.url.path.rstrip("/"),
        params=params,
        authorization=request.headers.get("authorization", ""),
    )


async def _send_recorded(request: Request, events: list[Document], delivery: Delivery) -> ActionResult:
    bodies = [one["xml"].encode() for one in events]
    deliveries = await requested_braintree_gateway(request).webhook_sender.send_bodies(bodies, delivery)
    events = [{"id": one["id"], "type": one["kind"], "invoice": one["invoice"]} for one in events]
    return ActionResult(events=events, deliveries=deliveries)


@router.post("/failed_payments")
async def create_failed_transaction(request: Request, body: FailedPayment) -> FailedTransactionIds:
    """A customer, a card, a failed transaction and its (recorded) webhook, in one call."""
    world = control.requested_world(request)
    made = transactions.build_failed_transaction(body, world.clock.now())
    one = made["transaction"]
    kind = "subscription_charged_unsuccessfully" if body.subscription else "transaction_retried"
    with world.store.transaction():
        transactions.store_failed_transaction(world, made)
        told = webhooks.record_notification(world, kind, one)
        options = body.model_dump(include={"default", "echo", "echo_delivery", "unguarded"}, mode="json")
        _store_script(world, one["invoice"], Script(outcomes=body.script, **options))
    sent = await _send_recorded(request, [told], body.delivery) if body.delivery else ActionResult()
    return FailedTransactionIds(
        invoice=one["invoice"],
        subscription=one["subscription"],
        customer=one["customer"],
        payment_method=one["token"] or "",
        transaction=one["id"],
        event=told["id"],
        deliveries=sent.deliveries,
    )


def _store_script(world: SandboxWorld, invoice: str, wanted: Script) -> Document:
    return scenarios.store_script(world, transactions.braintree_script_id(invoice), wanted)


@router.put("/invoices/{invoice_id}/script")
async def set_braintree_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next charges of this invoice do."""
    world = control.requested_world(request)
    with world.store.transaction():
        return _store_script(world, invoice_id, body)


@router.get("/invoices/{invoice_id}/script")
async def get_braintree_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return control.requested_world(request).script_control(transactions.braintree_script_id(invoice_id))


@router.post("/payments/{invoice_id}/happens")
async def report_braintree_event(request: Request, invoice_id: str, body: TransactionEvent) -> ActionResult:
    """Braintree tells something about an invoice; money that it tells of is booked."""
    world = control.requested_world(request)
    found = transactions.transactions_of_invoice(world, invoice_id)
    if not found:
        raise HTTPException(404, f"no invoice {invoice_id}")
    with world.store.transaction():
        return await _send_recorded(request, [transaction_events.apply_event(world, found[0], body)], body.delivery)


@router.post("/customers/{customer_id}/card")
async def add_braintree_card(request: Request, customer_id: str, body: control.CardAction) -> dict[str, str]:
    """The customer stores another card; Braintree sends no webhook for that."""
    world, card = control.requested_world(request), body.card
    token, fingerprint = transactions.new_braintree_id("tok"), card.fingerprint or transactions.new_braintree_id("card")
    method = {"customer": customer_id, "token": token, "card_type": _card_type(card), "fingerprint": fingerprint}
    first = not world.store.find("bt_method", customer=customer_id)
    world.store.put("bt_method", {"id": token, **method, "last4": card.last4, "default": first})
    return {"payment_method": token}


@router.delete("/payment_methods/{token}")
async def delete_braintree_method(request: Request, token: str) -> dict[str, bool]:
    """A stored method is deleted, by its customer or by the merchant; Braintree sends no webhook for that."""
    return {"deleted": transactions.delete_vaulted_method(control.requested_world(request), token)}


@router.delete("/customers/{customer_id}")
async def delete_braintree_customer(request: Request, customer_id: str) -> dict[str, bool]:
    """A customer is deleted with all that was stored; Braintree sends no webhook for that."""
    return {"deleted": transactions.delete_vaulted_customer(control.requested_world(request), customer_id)}


def _card_type(card: Card) -> str:
    return {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}.get(card.brand, card.brand)


@router.post("/events/send")
async def resend_braintree_events(request: Request, body: WebhookBatch) -> ActionResult:
    """Send recorded webhooks again."""
    found = [control.requested_world(request).store.get("bt_event", name) for name in body.events]
    if not all(found):
        raise HTTPException(404, "no such event")
    return await _send_recorded(request, [one for one in found if one], body.delivery)


@router.get("/invoices/{invoice_id}/events")
async def list_braintree_events(request: Request, invoice_id: str) -> list[str]:
    """The recorded webhooks of an invoice, oldest first."""
    return [one["id"] for one in reversed(control.requested_world(request).store.find("bt_event", invoice=invoice_id))]


@router.get("/events/{name}")
async def read_braintree_webhook(request: Request, name: str) -> dict[str, str]:
    """One recorded webhook, as XML."""
    found = control.requested_world(request).store.get("bt_event", name)
    if found is None:
        raise HTTPException(404, "no such event")
    return {"xml": found["xml"]}


@router.post("/send_raw")
async def send_raw_braintree_webhook(request: Request, body: control.RawWebhook) -> ActionResult:
    """Sign and send what is given, XML or not."""
    content = (body.payload or "").encode()
    return ActionResult(
        deliveries=await requested_braintree_gateway(request).webhook_sender.send_bodies([content], body.delivery)
    )


@router.post("/webhook_endpoint")
async def set_braintree_endpoint(request: Request, body: control.WebhookEndpoint) -> control.WebhookEndpoint:
    """Send webhooks elsewhere from now on (until the sandbox ends)."""
    courier = requested_braintree_gateway(request).webhook_sender
    courier.url, courier.secret = body.url, body.secret
    return body


@router.post("/idle")
async def wait_until_braintree_idle(request: Request, _: Annotated[Document, Body()]) -> dict[str, bool]:
    """Answers when no webhook delivery is on its way."""
    await requested_braintree_gateway(request).webhook_sender.wait_until_idle()
    return {"idle": True}


@router.get("/log")
async def read_braintree_log(request: Request, invoice: str | None = None) -> list[LogEntry]:
    """Requests in order."""
    return await control.read_request_log(request, invoice)


@router.get("/ledger")
async def read_braintree_ledger(request: Request, invoice: str | None = None) -> list[LedgerEntry]:
    """Successful charges in order."""
    return await control.read_charge_ledger(request, invoice)


@router.post("/faults")
async def add_braintree_fault(request: Request, body: Fault) -> list[Fault]:
    """Script a fault of any call; gives all that wait, those of other providers included."""
    return await control.add_fault(request, body)


@router.delete("/faults")
async def clear_braintree_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    return await control.clear_faults(request)
