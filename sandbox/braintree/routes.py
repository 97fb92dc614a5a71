"""The fake Braintree over HTTP: its API under `/braintree`, its control routes under `/_control/braintree`."""

from typing import Annotated

from fastapi import APIRouter, Body, FastAPI, HTTPException, Request
from fastapi.responses import Response

from sandbox import control, scenarios
from sandbox.braintree import books, happenings, notices, xml
from sandbox.braintree.gateway import BraintreeGateway
from sandbox.braintree.models import Batch, Created, FailedPayment, Happening
from sandbox.call import Call
from sandbox.models import Card, Delivery, Document, Fault, Happened, LedgerEntry, LogEntry, Script
from sandbox.world import World

router = APIRouter(prefix="/_control/braintree", tags=["control of the fake Braintree"])


def mount(app: FastAPI, gateway: BraintreeGateway) -> None:
    """Serve the fake Braintree as part of this app."""
    app.state.braintree = gateway
    app.include_router(router)
    methods = ["GET", "POST", "PUT", "DELETE"]
    app.add_api_route("/braintree/{path:path}", braintree_api, methods=methods, include_in_schema=False)


async def braintree_api(request: Request) -> Response:
    """Every call of the fake API."""
    answer = await gateway_of(request).handle(_call(request, await request.body()))
    if answer.drop:
        await request.scope["sandbox.cut"]()
    content = answer.body if isinstance(answer.body, str) else ""
    return Response(content, answer.status, answer.headers, media_type="application/xml")


def gateway_of(request: Request) -> BraintreeGateway:
    """The fake Braintree that this app serves."""
    found: BraintreeGateway = request.app.state.braintree
    return found


def _call(request: Request, body: bytes) -> Call:
    try:
        params = xml.load(body.decode())
    except ValueError:
        params = {}
    return Call(
        method=request.method,
        path=request.url.path.rstrip("/"),
        params=params,
        authorization=request.headers.get("authorization", ""),
    )


async def _sent(request: Request, told: list[Document], delivery: Delivery) -> Happened:
    bodies = [one["xml"].encode() for one in told]
    deliveries = await gateway_of(request).courier.send_bodies(bodies, delivery)
    events = [{"id": one["id"], "type": one["kind"], "invoice": one["invoice"]} for one in told]
    return Happened(events=events, deliveries=deliveries)


@router.post("/failed_payments")
async def create_failed_payment(request: Request, body: FailedPayment) -> Created:
    """A customer, a card, a failed transaction and its (recorded) webhook, in one call."""
    world = control.world_of(request)
    made = books.failed_payment(body, world.clock.now())
    one = made["transaction"]
    kind = "subscription_charged_unsuccessfully" if body.subscription else "transaction_retried"
    with world.store.transaction():
        books.keep(world, made)
        told = notices.record(world, kind, one)
        options = body.model_dump(include={"default", "echo", "echo_delivery", "unguarded"}, mode="json")
        _script(world, one["invoice"], Script(outcomes=body.script, **options))
    sent = await _sent(request, [told], body.delivery) if body.delivery else Happened()
    return Created(
        invoice=one["invoice"],
        subscription=one["subscription"],
        customer=one["customer"],
        payment_method=one["token"] or "",
        transaction=one["id"],
        event=told["id"],
        deliveries=sent.deliveries,
    )


def _script(world: World, invoice: str, wanted: Script) -> Document:
    return scenarios.set_script(world, books.control_id(invoice), wanted)


@router.put("/invoices/{invoice_id}/script")
async def set_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next charges of this invoice do."""
    world = control.world_of(request)
    with world.store.transaction():
        return _script(world, invoice_id, body)


@router.get("/invoices/{invoice_id}/script")
async def get_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return control.world_of(request).control(books.control_id(invoice_id))


@router.post("/payments/{invoice_id}/happens")
async def happens(request: Request, invoice_id: str, body: Happening) -> Happened:
    """Braintree tells something about an invoice; money that it tells of is booked."""
    world = control.world_of(request)
    found = books.transactions(world, invoice_id)
    if not found:
        raise HTTPException(404, f"no invoice {invoice_id}")
    with world.store.transaction():
        return await _sent(request, [happenings.happen(world, found[0], body)], body.delivery)


@router.post("/customers/{customer_id}/card")
async def new_card(request: Request, customer_id: str, body: control.CardAction) -> dict[str, str]:
    """The customer stores another card; Braintree sends no webhook for that."""
    world, card = control.world_of(request), body.card
    token, fingerprint = books.fresh("tok"), card.fingerprint or books.fresh("card")
    method = {"customer": customer_id, "token": token, "card_type": _type(card), "fingerprint": fingerprint}
    first = not world.store.find("bt_method", customer=customer_id)
    world.store.put("bt_method", {"id": token, **method, "last4": card.last4, "default": first})
    return {"payment_method": token}


@router.delete("/payment_methods/{token}")
async def delete_method(request: Request, token: str) -> dict[str, bool]:
    """A stored method is deleted, by its customer or by the merchant; Braintree sends no webhook for that."""
    return {"deleted": books.delete_method(control.world_of(request), token)}


@router.delete("/customers/{customer_id}")
async def delete_customer(request: Request, customer_id: str) -> dict[str, bool]:
    """A customer is deleted with all that was stored; Braintree sends no webhook for that."""
    return {"deleted": books.delete_customer(control.world_of(request), customer_id)}


def _type(card: Card) -> str:
    return {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}.get(card.brand, card.brand)


@router.post("/events/send")
async def send_events(request: Request, body: Batch) -> Happened:
    """Send recorded webhooks again."""
    found = [control.world_of(request).store.get("bt_event", name) for name in body.events]
    if not all(found):
        raise HTTPException(404, "no such event")
    return await _sent(request, [one for one in found if one], body.delivery)


@router.get("/invoices/{invoice_id}/events")
async def events_of(request: Request, invoice_id: str) -> list[str]:
    """The recorded webhooks of an invoice, oldest first."""
    return [one["id"] for one in reversed(control.world_of(request).store.find("bt_event", invoice=invoice_id))]


@router.get("/events/{name}")
async def recorded(request: Request, name: str) -> dict[str, str]:
    """One recorded webhook, as XML."""
    found = control.world_of(request).store.get("bt_event", name)
    if found is None:
        raise HTTPException(404, "no such event")
    return {"xml": found["xml"]}


@router.post("/send_raw")
async def send_raw(request: Request, body: control.Raw) -> Happened:
    """Sign and send what is given, XML or not."""
    content = (body.payload or "").encode()
    return Happened(deliveries=await gateway_of(request).courier.send_bodies([content], body.delivery))


@router.post("/webhook_endpoint")
async def set_endpoint(request: Request, body: control.Endpoint) -> control.Endpoint:
    """Send webhooks elsewhere from now on (until the sandbox ends)."""
    courier = gateway_of(request).courier
    courier.url, courier.secret = body.url, body.secret
    return body


@router.post("/idle")
async def idle(request: Request, _: Annotated[Document, Body()]) -> dict[str, bool]:
    """Answers when no webhook delivery is on its way."""
    await gateway_of(request).courier.idle()
    return {"idle": True}


@router.get("/log")
async def read_log(request: Request, invoice: str | None = None) -> list[LogEntry]:
    """Requests in order."""
    return await control.read_log(request, invoice)


@router.get("/ledger")
async def read_ledger(request: Request, invoice: str | None = None) -> list[LedgerEntry]:
    """Successful charges in order."""
    return await control.read_ledger(request, invoice)


@router.post("/faults")
async def add_fault(request: Request, body: Fault) -> list[Fault]:
    """Script a fault of any call; gives all that wait, those of other providers included."""
    return await control.add_fault(request, body)


@router.delete("/faults")
async def clear_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    return await control.clear_faults(request)
