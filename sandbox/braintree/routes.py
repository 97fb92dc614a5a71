"""The fake Braintree over HTTP: its API under `/braintree`, its control routes under `/_control/braintree`."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import Response

from sandbox.braintree import transaction_events, transactions, webhooks, xml
from sandbox.braintree.gateway import BraintreeGateway
from sandbox.braintree.models import FailedPayment, FailedTransactionIds, TransactionEvent
from sandbox.calls import Answer, Call
from sandbox.control import CommonRoutes, EventFormat, InvoiceRoutes, RecordedEvents
from sandbox.gateway import serve_api
from sandbox.models import ActionResult, Card, CardAction
from sandbox.world import SandboxWorld

EVENT_FORMAT = EventFormat("bt_event", lambda event: str(event["kind"]), webhooks.event_body)


def mount_braintree(app: FastAPI, world: SandboxWorld) -> Callable[[], Awaitable[None]]:
    """Serve the fake Braintree as part of this app; gives what ends it."""
    gateway = BraintreeGateway(world)
    events = RecordedEvents(world, gateway.webhook_sender, EVENT_FORMAT)
    router = APIRouter(prefix="/_control/braintree", tags=["control of the fake Braintree"])
    CommonRoutes(world, gateway.webhook_sender).add_to(router)
    InvoiceRoutes(world, events, transactions.braintree_script_id).add_to(router)
    TransactionRoutes(world, events).add_to(router)
    app.include_router(router)
    serve_api(app, "/braintree", ["GET", "POST", "PUT", "DELETE"], _parse_call, gateway.handle, _to_response)
    return gateway.close


async def _parse_call(request: Request) -> Call:
    body = await request.body()
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


def _to_response(answer: Answer) -> Response:
    content = answer.body if isinstance(answer.body, str) else ""
    return Response(content, answer.status, answer.headers, media_type="application/xml")


class TransactionRoutes:
    """Failed transactions, what Braintree tells about them, and what is stored of customers."""

    def __init__(self, world: SandboxWorld, events: RecordedEvents) -> None:
        self._world = world
        self._events = events

    def add_to(self, router: APIRouter) -> None:
        """Serve them below the router's prefix."""
        router.add_api_route("/failed_payments", self.create_failed_transaction, methods=["POST"])
        router.add_api_route("/payments/{invoice_id}/happens", self.report_event, methods=["POST"])
        router.add_api_route("/customers/{customer_id}/card", self.add_card, methods=["POST"])
        router.add_api_route("/payment_methods/{token}", self.delete_method, methods=["DELETE"])
        router.add_api_route("/customers/{customer_id}", self.delete_customer, methods=["DELETE"])
        router.add_api_route("/events/{name}", self.read_webhook, methods=["GET"])

    async def create_failed_transaction(self, body: FailedPayment) -> FailedTransactionIds:
        """A customer, a card, a failed transaction and its (recorded) webhook, in one call."""
        made = transactions.build_failed_transaction(body, self._world.clock.now())
        one = made["transaction"]
        kind = "subscription_charged_unsuccessfully" if body.subscription else "transaction_retried"
        with self._world.store.transaction():
            transactions.store_failed_transaction(self._world, made)
            told = webhooks.record_notification(self._world, kind, one)
            self._world.store_script(transactions.braintree_script_id(one["invoice"]), body.to_script())
        sent = await self._events.send([told], body.delivery) if body.delivery else ActionResult()
        return FailedTransactionIds(
            invoice=one["invoice"],
            subscription=one["subscription"],
            customer=one["customer"],
            payment_method=one["token"] or "",
            transaction=one["id"],
            event=told["id"],
            deliveries=sent.deliveries,
        )

    async def report_event(self, invoice_id: str, body: TransactionEvent) -> ActionResult:
        """Braintree tells something about an invoice; money that it tells of is booked."""
        found = transactions.transactions_of_invoice(self._world, invoice_id)
        if not found:
            raise HTTPException(404, f"no invoice {invoice_id}")
        with self._world.store.transaction():
            told = transaction_events.apply_event(self._world, found[0], body)
        return await self._events.send([told], body.delivery)

    async def add_card(self, customer_id: str, body: CardAction) -> dict[str, str]:
        """The customer stores another card; Braintree sends no webhook for that."""
        card, token = body.card, transactions.new_braintree_id("tok")
        fingerprint = card.fingerprint or transactions.new_braintree_id("card")
        method = {"customer": customer_id, "token": token, "card_type": _card_type(card), "fingerprint": fingerprint}
        first = not self._world.store.find("bt_method", customer=customer_id)
        self._world.store.put("bt_method", {"id": token, **method, "last4": card.last4, "default": first})
        return {"payment_method": token}

    async def delete_method(self, token: str) -> dict[str, bool]:
        """A stored method is deleted, by its customer or by the merchant; Braintree sends no webhook for that."""
        return {"deleted": transactions.delete_vaulted_method(self._world, token)}

    async def delete_customer(self, customer_id: str) -> dict[str, bool]:
        """A customer is deleted with all that was stored; Braintree sends no webhook for that."""
        return {"deleted": transactions.delete_vaulted_customer(self._world, customer_id)}

    async def read_webhook(self, name: str) -> dict[str, str]:
        """One recorded webhook, as XML."""
        return {"xml": self._events.require(name)["xml"]}


def _card_type(card: Card) -> str:
    return {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}.get(card.brand, card.brand)
