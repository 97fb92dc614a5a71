"""The fake Adyen over HTTP: its API under `/adyen`, its control routes under `/_control/adyen`."""

import json
from typing import Annotated

from fastapi import APIRouter, Body, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from sandbox import control, scenarios
from sandbox.adyen import items, payments
from sandbox.adyen.gateway import AdyenGateway
from sandbox.adyen.models import Batch, Created, FailedPayment, Happening, Rescue
from sandbox.adyen.reasons import reason_of
from sandbox.call import Answer, Call
from sandbox.models import Delivery, Document, Fault, Happened, LedgerEntry, LogEntry, Script
from sandbox.world import World

router = APIRouter(prefix="/_control/adyen", tags=["control of the fake Adyen"])


def mount(app: FastAPI, gateway: AdyenGateway) -> None:
    """Serve the fake Adyen as part of this app."""
    app.state.adyen = gateway
    app.include_router(router)
    app.add_api_route("/adyen/{path:path}", adyen_api, methods=["GET", "POST"], include_in_schema=False)


async def adyen_api(request: Request) -> Response:
    """Every call of the fake API."""
    answer = await gateway_of(request).handle(_call(request, await request.body()))
    if answer.drop:
        await request.scope["sandbox.cut"]()
    return _response(answer)


def gateway_of(request: Request) -> AdyenGateway:
    """The fake Adyen that this app serves."""
    found: AdyenGateway = request.app.state.adyen
    return found


def _call(request: Request, body: bytes) -> Call:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = {}
    return Call(
        method=request.method,
        path=request.url.path.rstrip("/"),
        params=found if isinstance(found, dict) else {},
        key=request.headers.get("idempotency-key"),
        authorization=request.headers.get("x-api-key", ""),
    )


def _response(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, answer.headers)


async def _sent(request: Request, told: list[Document], delivery: Delivery) -> Happened:
    bodies = [items.body([one["item"]]) for one in told]
    deliveries = await gateway_of(request).courier.send_bodies(bodies, delivery)
    events = [{"id": one["id"], "type": one["item"]["eventCode"], "invoice": one["invoice"]} for one in told]
    return Happened(events=events, deliveries=deliveries)


@router.post("/failed_payments")
async def create_failed_payment(request: Request, body: FailedPayment) -> Created:
    """A shopper, a token, a refused payment and its (recorded) webhook, in one call."""
    world = control.world_of(request)
    payment = payments.of_spec(body)
    with world.store.transaction():
        world.store.put("adyen_payment", payment)
        told = _first(world, payment, body)
        _script(world, payment["id"], Script(outcomes=body.script, **_options(body)))
    sealed = items.body([told["item"]], live=body.live)
    deliveries = await gateway_of(request).courier.send_bodies([sealed], body.delivery) if body.delivery else []
    return Created(
        invoice=payment["id"],
        customer=payment["shopper"],
        payment_method=payment["token"],
        psp_reference=told["item"]["pspReference"],
        event=told["id"],
        deliveries=deliveries,
    )


def _first(world: World, payment: Document, body: FailedPayment) -> Document:
    extra = payments.codes(body.raw, body.mac) | ({"retry.rescueScheduled": "true"} if body.rescue_scheduled else {})
    reason = reason_of(body.decline_code)[1]
    return payments.record(
        world, payment, "AUTHORISATION", False, moment=body.event_date, reason=reason, additional=extra
    )


def _options(body: FailedPayment) -> Document:
    return body.model_dump(include={"default", "echo", "echo_delivery"}, mode="json")


def _script(world: World, invoice: str, wanted: Script) -> Document:
    return scenarios.set_script(world, payments.control_id(invoice), wanted)


@router.put("/invoices/{invoice_id:path}/script")
async def set_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next payments of this reference do."""
    world = control.world_of(request)
    with world.store.transaction():
        return _script(world, invoice_id, body)


@router.get("/invoices/{invoice_id:path}/script")
async def get_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return control.world_of(request).control(payments.control_id(invoice_id))


@router.post("/payments/{invoice_id:path}/happens")
async def happens(request: Request, invoice_id: str, body: Happening) -> Happened:
    """Adyen tells something about a payment; money that it tells of is booked."""
    world = control.world_of(request)
    payment = _payment(world, invoice_id)
    with world.store.transaction():
        fields = body.model_dump(include={"reason", "additional", "amount", "reference"})
        told = payments.record(world, payment, body.event_code, body.success, **fields)
        if body.success and body.event_code in ("AUTHORISATION", "AUTORESCUE"):
            payments.book(world, payment, told["item"]["pspReference"], "elsewhere", None)
    return await _sent(request, [told], body.delivery)


def _payment(world: World, invoice_id: str) -> Document:
    found = world.store.get("adyen_payment", invoice_id)
    if found is None:
        raise HTTPException(404, f"no payment {invoice_id}")
    return found


@router.post("/payments/{invoice_id:path}/rescue")
async def rescue(request: Request, invoice_id: str, body: Rescue) -> Happened:
    """Adyen's own tries go on and end, one webhook after the other."""
    world = control.world_of(request)
    with world.store.transaction():
        told = payments.rescue(world, _payment(world, invoice_id), body)
    return await _sent(request, told, body.delivery)


@router.delete("/tokens/{token}")
async def remove_token(request: Request, token: str) -> Document:
    """The stored method is gone: payments with it are answered 422, 803."""
    world = control.world_of(request)
    with world.store.transaction():
        return world.store.put("adyen_removed", {"id": token})


@router.post("/events/send")
async def send_events(request: Request, body: Batch) -> Happened:
    """Send recorded events again: each in a body of its own."""
    return await _sent(request, _events(request, body), body.delivery)


@router.post("/events/batch")
async def send_batch(request: Request, body: Batch) -> Happened:
    """Send recorded events again: all in one body."""
    told = _events(request, body)
    bodies = [items.body([one["item"] for one in told])]
    return Happened(deliveries=await gateway_of(request).courier.send_bodies(bodies, body.delivery))


def _events(request: Request, body: Batch) -> list[Document]:
    found = [control.world_of(request).store.get("adyen_event", name) for name in body.events]
    if not all(found):
        raise HTTPException(404, "no such event")
    return [one for one in found if one]


@router.get("/invoices/{invoice_id:path}/events")
async def events_of(request: Request, invoice_id: str) -> list[str]:
    """The recorded events of a payment, oldest first."""
    return [one["id"] for one in reversed(control.world_of(request).store.find("adyen_event", invoice=invoice_id))]


@router.post("/send_raw")
async def send_raw(request: Request, body: control.Raw) -> Happened:
    """Sign and send what is given, valid or not."""
    content = json.dumps(body.event) if body.payload is None else body.payload
    deliveries = await gateway_of(request).courier.send_bodies([content.encode()], body.delivery)
    return Happened(deliveries=deliveries)


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
    """Script a fault of payments; gives all that wait, those of other providers included."""
    return await control.add_fault(request, body)


@router.delete("/faults")
async def clear_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    return await control.clear_faults(request)
