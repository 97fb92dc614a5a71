"""Reading objects: one by id, or a filtered page."""

from collections.abc import Callable
from typing import Any

from sandbox.calls import Answer
from sandbox.models import Document
from sandbox.stripe.calls import StripeCall, shape_for_version
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.events import event_envelope
from sandbox.stripe.params import read_boolean, read_integer
from sandbox.stripe.views import DocumentView
from sandbox.stripe.world import StripeWorld

LINK_FILTERS = ("customer", "invoice", "payment_intent", "charge")
EXACT_FILTERS = ("status", "email", "type", "collection_method")


def build_reader(kind: str) -> Callable[[StripeWorld, StripeCall], Answer]:
    """`GET /v1/things/{id}`."""

    def read_one(world: StripeWorld, call: StripeCall) -> Answer:
        document = world.require_document(kind, call.names[0])
        return Answer(body=_show_document(world, call, kind, document))

    return read_one


def build_lister(kind: str, url: str) -> Callable[[StripeWorld, StripeCall], Answer]:
    """`GET /v1/things`, newest first."""

    def read_page(world: StripeWorld, call: StripeCall) -> Answer:
        if kind == "payment_method" and call.names:
            call.params["customer"] = world.require_document("customer", call.names[0])["id"]
        found = [item for item in _find_documents(world, kind, call.params) if _fits_filters(item, call.params)]
        if kind == "event":
            found = [event_envelope(event, shape_for_version(call.version)) for event in found]
        return Answer(body=DocumentView(world.store, call.shape).list_page(kind, found, url, call.params))

    return read_page


def _show_document(world: StripeWorld, call: StripeCall, kind: str, document: Document) -> Document:
    if kind == "event":
        return event_envelope(document, call.shape)
    return DocumentView(world.store, call.shape).show(kind, document, call.params.get("expand", ()))


def _find_documents(world: StripeWorld, kind: str, params: Document) -> list[Document]:
    links = {name: params[name] for name in LINK_FILTERS if isinstance(params.get(name), str)}
    if isinstance(payment := params.get("payment"), dict):
        links |= _payment_link(payment)
    return world.store.find(kind, **links)


def _payment_link(payment: Document) -> Document:
    if payment.get("type") != "payment_intent" or "payment_intent" not in payment:
        raise invalid_request(
            "Only payment[type]=payment_intent with payment[payment_intent] is known.", param="payment"
        )
    return {"payment_intent": payment["payment_intent"]}


def _fits_filters(document: Document, params: Document) -> bool:
    if any(name in params and document.get(name) != params[name] for name in EXACT_FILTERS):
        return False
    if "delivery_success" in params and document["delivered"] is not read_boolean(params, "delivery_success"):
        return False
    if "types" in params and document["type"] not in params["types"]:
        return False
    subscription = ((document.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    if "subscription" in params and subscription != params["subscription"]:
        return False
    return _is_in_time_range(document["created"], params.get("created"))


def _is_in_time_range(created: int, wanted: Any) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return created == read_integer({"created": wanted}, "created", 0)
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    if set(wanted) - set(tests):
        raise invalid_request("Invalid range.", param="created")
    return all(tests[name](created, read_integer(wanted, name, 0)) for name in wanted)
