"""Events: what happened, with a snapshot of the object in both shapes."""

import copy

from sandbox import models
from sandbox.models import Document, Shape
from sandbox.store import SandboxClock, Store
from sandbox.stripe.calls import api_version
from sandbox.stripe.views import DocumentView, invoice_of_intent


class EventRecorder:
    """Records events; sending them is the webhooks' task."""

    def __init__(self, store: Store, clock: SandboxClock, account: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._account = account

    def record(
        self, event_type: str, kind: str, document_id: str, previous: Document | None = None, key: str | None = None
    ) -> Document:
        """Take a snapshot of the object as it is now; gives the stored event."""
        document = self._store.get(kind, document_id) or {}
        snapshots = {shape: DocumentView(self._store, shape).show(kind, document) for shape in Shape}
        event = {
            "id": models.new_object_id("evt"),
            "type": event_type,
            "created": self._clock.now_for(self._store, document),
            "account": self._account,
            "livemode": document.get("livemode", False),
            "invoice": self._invoice_of(kind, document),
            "snapshots": copy.deepcopy(snapshots),
            "previous": previous,
            "delivered": False,
            "request": {"id": None, "idempotency_key": key},
        }
        return self._store.put("event", event)

    def find_latest(self, event_type: str, invoice_id: str) -> Document | None:
        """The newest event of a type about an invoice."""
        found = self._store.find("event", invoice=invoice_id)
        return next((event for event in found if event["type"] == event_type), None)

    def mark_delivered(self, event_id: str) -> None:
        """An endpoint took the event: it is no longer pending."""
        if event := self._store.get("event", event_id):
            self._store.put("event", event | {"delivered": True})

    def _invoice_of(self, kind: str, document: Document) -> str | None:
        if kind == "invoice":
            return str(document["id"])
        intent = document["id"] if kind == "payment_intent" else document.get("payment_intent")
        return document.get("invoice") or invoice_of_intent(self._store, intent)


def event_envelope(event: Document, shape: Shape) -> Document:
    """A recorded event as Stripe sends it to an endpoint of that API version."""
    data: Document = {"object": event["snapshots"][shape]}
    if event["previous"] is not None:
        data["previous_attributes"] = event["previous"]
    return {
        "id": event["id"],
        "object": "event",
        **({"account": event["account"]} if event.get("account") else {}),
        "api_version": api_version(shape),
        "created": event["created"],
        "data": data,
        "livemode": event["livemode"],
        "pending_webhooks": 0 if event["delivered"] else 1,
        "request": event["request"],
        "type": event["type"],
    }
