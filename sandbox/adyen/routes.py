"""The fake Adyen over HTTP: its API under `/adyen`, its control routes under `/_control/adyen`."""

import json
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from sandbox.adyen import payments, webhooks
from sandbox.adyen.gateway import AdyenGateway
from sandbox.adyen.models import FailedPayment, FailedPaymentIds, PaymentEvent, Rescue
from sandbox.calls import Answer, Call
from sandbox.control import CommonRoutes, EventFormat, InvoiceRoutes, RecordedEvents
from sandbox.gateway import serve_api
from sandbox.models import ActionResult, Document, EventBatch
from sandbox.webhook_sender import WebhookSender
from sandbox.world import SandboxWorld

EVENT_FORMAT = EventFormat("adyen_event", lambda event: str(event["item"]["eventCode"]), webhooks.event_body)


def mount_adyen(app: FastAPI, world: SandboxWorld) -> Callable[[], Awaitable[None]]:
    """Serve the fake Adyen as part of this app; gives what ends it."""
    gateway = AdyenGateway(world)
    events = RecordedEvents(world, gateway.webhook_sender, EVENT_FORMAT)
    router = APIRouter(prefix="/_control/adyen", tags=["control of the fake Adyen"])
    CommonRoutes(world, gateway.webhook_sender).add_to(router)
    # An Adyen invoice is a merchantReference, in which slashes may stand.
    InvoiceRoutes(world, events, payments.adyen_script_id).add_to(router, "/invoices/{invoice_id:path}")
    PaymentRoutes(world, gateway.webhook_sender, events).add_to(router)
    app.include_router(router)
    serve_api(app, "/adyen", ["GET", "POST"], _parse_call, gateway.handle, _to_response)
    return gateway.close


async def _parse_call(request: Request) -> Call:
    try:
        found = json.loads(await request.body() or b"{}")
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
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, answer.headers, media_type="application/json")
    return JSONResponse(answer.body, answer.status, answer.headers)


class PaymentRoutes:
    """Refused payments, what Adyen tells about them, and tokens."""

    def __init__(self, world: SandboxWorld, webhook_sender: WebhookSender, events: RecordedEvents) -> None:
        self._world = world
        self._webhook_sender = webhook_sender
        self._events = events

    def add_to(self, router: APIRouter) -> None:
        """Serve them below the router's prefix."""
        router.add_api_route("/failed_payments", self.create_failed_payment, methods=["POST"])
        router.add_api_route("/payments/{invoice_id:path}/happens", self.report_event, methods=["POST"])
        router.add_api_route("/payments/{invoice_id:path}/rescue", self.run_rescue, methods=["POST"])
        router.add_api_route("/tokens/{token}", self.remove_token, methods=["DELETE"])
        router.add_api_route("/events/batch", self.resend_batch, methods=["POST"])

    async def create_failed_payment(self, body: FailedPayment) -> FailedPaymentIds:
        """A shopper, a token, a refused payment and its (recorded) webhook, in one call."""
        payment = payments.payment_from_spec(body)
        with self._world.store.transaction():
            self._world.store.put("adyen_payment", payment)
            told = payments.record_refusal(self._world, payment, body)
            self._world.store_script(payments.adyen_script_id(payment["id"]), body.to_script())
        sealed = webhooks.webhook_body([told["item"]], live=body.live)
        deliveries = await self._webhook_sender.send_bodies([sealed], body.delivery) if body.delivery else []
        return FailedPaymentIds(
            invoice=payment["id"],
            customer=payment["shopper"],
            payment_method=payment["token"],
            psp_reference=told["item"]["pspReference"],
            event=told["id"],
            deliveries=deliveries,
        )

    async def report_event(self, invoice_id: str, body: PaymentEvent) -> ActionResult:
        """Adyen tells something about a payment; money that it tells of is booked."""
        payment = self._require_payment(invoice_id)
        with self._world.store.transaction():
            fields = body.model_dump(include={"reason", "additional", "amount", "reference"})
            told = payments.record_item(self._world, payment, body.event_code, body.success, **fields)
            if body.success and body.event_code in ("AUTHORISATION", "AUTORESCUE"):
                payments.book_adyen_charge(self._world, payment, told["item"]["pspReference"], "elsewhere", None)
        return await self._events.send([told], body.delivery)

    async def run_rescue(self, invoice_id: str, body: Rescue) -> ActionResult:
        """Adyen's own tries go on and end, one webhook after the other."""
        with self._world.store.transaction():
            told = payments.run_rescue_tries(self._world, self._require_payment(invoice_id), body)
        return await self._events.send(told, body.delivery)

    async def remove_token(self, token: str) -> Document:
        """The stored method is gone: payments with it are answered 422, 803."""
        with self._world.store.transaction():
            return self._world.store.put("adyen_removed", {"id": token})

    async def resend_batch(self, body: EventBatch) -> ActionResult:
        """Send recorded events again: all in one body."""
        items = [self._events.require(name)["item"] for name in body.events]
        sealed = webhooks.webhook_body(items)
        return ActionResult(deliveries=await self._webhook_sender.send_bodies([sealed], body.delivery))

    def _require_payment(self, invoice_id: str) -> Document:
        found = self._world.store.get("adyen_payment", invoice_id)
        if found is None:
            raise HTTPException(404, f"no payment {invoice_id}")
        return found
