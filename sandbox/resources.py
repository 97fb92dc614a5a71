"""Reading objects: one by id, or a filtered page."""

from collections.abc import Callable
from typing import Any

from sandbox.call import Answer, Call
from sandbox.config import shape_of
from sandbox.errors import invalid
from sandbox.events import envelope
from sandbox.models import Document
from sandbox.params import boolean, integer
from sandbox.view import View
from sandbox.world import World

LINKED = ("customer", "invoice", "payment_intent", "charge")
EXACT = ("status", "email", "type", "collection_method")


def reader(kind: str) -> Callable[[World, Call], Answer]:
    """`GET /v1/things/{id}`."""

    def read(world: World, call: Call) -> Answer:
        document = world.need(kind, call.names[0])
        return Answer(body=_shown(world, call, kind, document))

    return read


def lister(kind: str, url: str) -> Callable[[World, Call], Answer]:
    """`GET /v1/things`, newest first."""

    def read(world: World, call: Call) -> Answer:
        if kind == "payment_method" and call.names:
            call.params["customer"] = world.need("customer", call.names[0])["id"]
        found = [item for item in _found(world, kind, call.params) if _fits(item, call.params)]
        if kind == "event":
            found = [envelope(event, shape_of(call.version)) for event in found]
        return Answer(body=View(world.store, call.shape).page(kind, found, url, call.params))

    return read


def _shown(world: World, call: Call, kind: str, document: Document) -> Document:
    if kind == "event":
        return envelope(document, call.shape)
    return View(world.store, call.shape).show(kind, document, call.params.get("expand", ()))


def _found(world: World, kind: str, params: Document) -> list[Document]:
    links = {name: params[name] for name in LINKED if isinstance(params.get(name), str)}
    if isinstance(payment := params.get("payment"), dict):
        links |= _payment_link(payment)
    return world.store.find(kind, **links)


def _payment_link(payment: Document) -> Document:
    if payment.get("type") != "payment_intent" or "payment_intent" not in payment:
        raise invalid("Only payment[type]=payment_intent with payment[payment_intent] is known.", param="payment")
    return {"payment_intent": payment["payment_intent"]}


def _fits(document: Document, params: Document) -> bool:
    if any(name in params and document.get(name) != params[name] for name in EXACT):
        return False
    if "delivery_success" in params and document["delivered"] is not boolean(params, "delivery_success"):
        return False
    if "types" in params and document["type"] not in params["types"]:
        return False
    subscription = ((document.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    if "subscription" in params and subscription != params["subscription"]:
        return False
    return _in_time(document["created"], params.get("created"))


def _in_time(created: int, wanted: Any) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return created == integer({"created": wanted}, "created", 0)
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    if set(wanted) - set(tests):
        raise invalid("Invalid range.", param="created")
    return all(tests[name](created, integer(wanted, name, 0)) for name in wanted)
