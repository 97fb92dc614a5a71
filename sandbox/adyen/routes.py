"""The fake Adyen over HTTP: its API under `/adyen`, its control routes under `/_control/adyen`."""

import json
from typing import Annotated

from fastapi import APIRouter, Body, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from sandbox import control
from sandbox.adyen import payments, webhooks
from sandbox.adyen.gateway import AdyenGateway
from sandbox.adyen.models import EventBatch, FailedPayment, FailedPaymentIds, PaymentEvent, Rescue
from sandbox.adyen.payments import refusal_reason
from sandbox.calls import Answer, Call
from sandbox.models import ActionResult, Delivery, Document, Fault, LedgerEntry, LogEntry, Script
from sandbox.stripe import scenarios
from sandbox.world import SandboxWorld

router = APIRouter(prefix="/_control/adyen", tags=["control of the fake Adyen"])


def mount_adyen(app: FastAPI, gateway: AdyenGateway) -> None:
    """Serve the fake Adyen as part of this app."""
    app.state.adyen = gateway
    app.include_router(router)
    app.add_api_route("/adyen/{path:path}", answer_adyen_call, methods=["GET", "POST"], include_in_schema=False)


async def answer_adyen_call(request: Request) -> Response:
    """Every call of the fake API."""
    answer = await requested_adyen_gateway(request).handle(_parse_call(request, await request.body()))
    if answer.drop:
        await request.scope["sandbox.cut"]()
    return _to_response(answer)


def requested_adyen_gateway(request: Request) -> AdyenGateway:
    """The fake Adyen that this app serves."""
    found: AdyenGateway = request.app.state.adyen
    return found


def _parse_call(request: Request, body: bytes) -> Call:
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


def _to_response(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, answer.headers)


async def _send_items(request: Request, events: list[Document], delivery: Delivery) -> ActionResult:
    bodies = [webhooks.webhook_body([one["item"]]) for one in events]
    deliveries = await requested_adyen_gateway(request).webhook_sender.send_bodies(bodies, delivery)
    events = [{"id": one["id"], "type": one["item"]["eventCode"], "invoice": one["invoice"]} for one in events]
    return ActionResult(events=events, deliveries=deliveries)


@router.post("/failed_payments")
async def create_failed_adyen_payment(request: Request, body: FailedPayment) -> FailedPaymentIds:
    """A shopper, a token, a refused payment and its (recorded) webhook, in one call."""
    world = control.requested_world(request)
    payment = payments.payment_from_spec(body)
    with world.store.transaction():
        world.store.put("adyen_payment", payment)
        told = _record_refusal(world, payment, body)
        _store_script(world, payment["id"], Script(outcomes=body.script, **_script_options(body)))
    sealed = webhooks.webhook_body([told["item"]], live=body.live)
    deliveries = (
        await requested_adyen_gateway(request).webhook_sender.send_bodies([sealed], body.delivery)
        if body.delivery
        else []
    )
    return FailedPaymentIds(
        invoice=payment["id"],
        customer=payment["shopper"],
        payment_method=payment["token"],
        psp_reference=told["item"]["pspReference"],
        event=told["id"],
        deliveries=deliveries,
    )


def _record_refusal(world: SandboxWorld, payment: Document, body: FailedPayment) -> Document:
    extra = payments.refusal_codes(body.raw, body.mac) | (
        {"retry.rescueScheduled": "true"} if body.rescue_scheduled else {}
    )
    reason = refusal_reason(body.decline_code)[1]
    return payments.record_item(
        world, payment, "AUTHORISATION", False, moment=body.event_date, reason=reason, additional=extra
    )


def _script_options(body: FailedPayment) -> Document:
    return body.model_dump(include={"default", "echo", "echo_delivery"}, mode="json")


def _store_script(world: SandboxWorld, invoice: str, wanted: Script) -> Document:
    return scenarios.store_script(world, payments.adyen_script_id(invoice), wanted)


@router.put("/invoices/{invoice_id:path}/script")
async def set_adyen_script(request: Request, invoice_id: str, body: Script) -> Document:
    """What the next payments of this reference do."""
    world = control.requested_world(request)
    with world.store.transaction():
        return _store_script(world, invoice_id, body)


@router.get("/invoices/{invoice_id:path}/script")
async def get_adyen_script(request: Request, invoice_id: str) -> Document:
    """What is left of the script."""
    return control.requested_world(request).script_control(payments.adyen_script_id(invoice_id))


@router.post("/payments/{invoice_id:path}/happens")
async def report_adyen_event(request: Request, invoice_id: str, body: PaymentEvent) -> ActionResult:
    """Adyen tells something about a payment; money that it tells of is booked."""
    world = control.requested_world(request)
    payment = _require_payment(world, invoice_id)
    with world.store.transaction():
        fields = body.model_dump(include={"reason", "additional", "amount", "reference"})
        told = payments.record_item(world, payment, body.event_code, body.success, **fields)
        if body.success and body.event_code in ("AUTHORISATION", "AUTORESCUE"):
            payments.book_adyen_charge(world, payment, told["item"]["pspReference"], "elsewhere", None)
    return await _send_items(request, [told], body.delivery)


def _require_payment(world: SandboxWorld, invoice_id: str) -> Document:
    found = world.store.get("adyen_payment", invoice_id)
    if found is None:
        raise HTTPException(404, f"no payment {invoice_id}")
    return found


@router.post("/payments/{invoice_id:path}/rescue")
async def rescue_adyen_payment(request: Request, invoice_id: str, body: Rescue) -> ActionResult:
    """Adyen's own tries go on and end, one webhook after the other."""
    world = control.requested_world(request)
    with world.store.transaction():
        told = payments.run_rescue_tries(world, _require_payment(world, invoice_id), body)
    return await _send_items(request, told, body.delivery)


@router.delete("/tokens/{token}")
async def remove_token(request: Request, token: str) -> Document:
    """The stored method is gone: payments with it are answered 422, 803."""
    world = control.requested_world(request)
    with world.store.transaction():
        return world.store.put("adyen_removed", {"id": token})


@router.post("/events/send")
async def resend_adyen_events(request: Request, body: EventBatch) -> ActionResult:
    """Send recorded events again: each in a body of its own."""
    return await _send_items(request, _require_events(request, body), body.delivery)


@router.post("/events/batch")
async def resend_adyen_batch(request: Request, body: EventBatch) -> ActionResult:
    """Send recorded events again: all in one body."""
    told = _require_events(request, body)
    bodies = [webhooks.webhook_body([one["item"] for one in told])]
    return ActionResult(
        deliveries=await requested_adyen_gateway(request).webhook_sender.send_bodies(bodies, body.delivery)
    )


def _require_events(request: Request, body: EventBatch) -> list[Document]:
    found = [control.requested_world(request).store.get("adyen_event", name) for name in body.events]
    if not all(found):
        raise HTTPException(404, "no such event")
    return [one for one in found if one]


@router.get("/invoices/{invoice_id:path}/events")
async def list_adyen_events(request: Request, invoice_id: str) -> list[str]:
    """The recorded events of a payment, oldest first."""
    return [
        one["id"] for one in reversed(control.requested_world(request).store.find("adyen_event", invoice=invoice_id))
    ]


@router.post("/send_raw")
async def send_raw_adyen_webhook(request: Request, body: control.RawWebhook) -> ActionResult:
    """Sign and send what is given, valid or not."""
    content = json.dumps(body.event) if body.payload is None else body.payload
    deliveries = await requested_adyen_gateway(request).webhook_sender.send_bodies([content.encode()], body.delivery)
    return ActionResult(deliveries=deliveries)


@router.post("/webhook_endpoint")
async def set_adyen_endpoint(request: Request, body: control.WebhookEndpoint) -> control.WebhookEndpoint:
    """Send webhooks elsewhere from now on (until the sandbox ends)."""
    courier = requested_adyen_gateway(request).webhook_sender
    courier.url, courier.secret = body.url, body.secret
    return body


@router.post("/idle")
async def wait_until_adyen_idle(request: Request, _: Annotated[Document, Body()]) -> dict[str, bool]:
    """Answers when no webhook delivery is on its way."""
    await requested_adyen_gateway(request).webhook_sender.wait_until_idle()
    return {"idle": True}


@router.get("/log")
async def read_adyen_log(request: Request, invoice: str | None = None) -> list[LogEntry]:
    """Requests in order."""
    return await control.read_request_log(request, invoice)


@router.get("/ledger")
async def read_adyen_ledger(request: Request, invoice: str | None = None) -> list[LedgerEntry]:
    """Successful charges in order."""
    return await control.read_charge_ledger(request, invoice)


@router.post("/faults")
async def add_adyen_fault(request: Request, body: Fault) -> list[Fault]:
    """Script a fault of payments; gives all that wait, those of other providers included."""
    return await control.add_fault(request, body)


@router.delete("/faults")
async def clear_adyen_faults(request: Request) -> list[Fault]:
    """Forget all scripted faults."""
    return await control.clear_faults(request)
