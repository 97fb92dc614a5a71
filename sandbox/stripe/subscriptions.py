"""Subscriptions through the fake API: begun, changed with proration, paused, canceled.

Sources: docs.stripe.com/api/subscriptions, docs.stripe.com/billing/subscriptions/prorations.
"""

from sandbox import models
from sandbox.calls import Answer
from sandbox.models import Delivery, Document
from sandbox.stripe import billing_cycles, documents
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.params import read_boolean, read_integer, read_text
from sandbox.stripe.views import DocumentView
from sandbox.stripe.world import StripeWorld

CREATE_PARAMS = (
    "cancel_at_period_end",
    "collection_method",
    "customer",
    "days_until_due",
    "default_payment_method",
    "items",
    "metadata",
    "off_session",
    "payment_behavior",
)
UPDATE_PARAMS = (*(name for name in CREATE_PARAMS if name != "customer"), "pause_collection", "proration_behavior")
CANCEL_PARAMS = ("invoice_now", "prorate")


def create_subscription(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/subscriptions`: active where its first payment succeeds, else incomplete with an open invoice."""
    customer = world.require_document("customer", read_text(call.params, "customer") or "")
    item = _build_item(call.params)
    now = world.clock.now_for(world.store, customer)
    item |= {"current_period_start": now, "current_period_end": billing_cycles.next_period_end(now, item)}
    made = documents.build_subscription(models.new_object_id("sub"), customer["id"], "", now) | _plain_fields(
        call.params
    )
    made |= {"status": "incomplete", "test_clock": customer["test_clock"], "currency": item["price"]["currency"]}
    made["items"]["data"] = [item]
    world.store.put("subscription", made)
    invoice = billing_cycles.draft_invoice(
        world, made, "subscription_create", [billing_cycles.build_invoice_line(made, item)]
    )
    world.store.put("subscription", made | {"latest_invoice": invoice["id"]})
    if made["collection_method"] == "send_invoice":
        world.store.put("subscription", made | {"latest_invoice": invoice["id"], "status": "active"})
    events = [world.events.record("customer.subscription.created", "subscription", made["id"])]
    return _answer_with_subscription(world, call, made["id"], events + billing_cycles.collect_invoice(world, invoice))


def update_subscription(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/subscriptions/{id}`; a new price is prorated as `proration_behavior` says."""
    found = world.require_document("subscription", call.names[0])
    if found["status"] in ("canceled", "incomplete_expired"):
        raise invalid_request("A canceled subscription can only update its cancellation_details and metadata.")
    changed = _plain_fields(call.params)
    if "pause_collection" in call.params:
        changed["pause_collection"] = call.params["pause_collection"] or None
    before = {name: found[name] for name in changed if found[name] != changed[name]}
    if changed.get("cancel_at_period_end"):
        changed["canceled_at"] = world.clock.now_for(world.store, found)
    world.store.put("subscription", found | changed)
    events = _change_price(world, found | changed, call.params) if "items" in call.params else []
    update = world.events.record("customer.subscription.updated", "subscription", found["id"], before, call.key)
    return _answer_with_subscription(world, call, found["id"], [update, *events])


def cancel_subscription(world: StripeWorld, call: StripeCall) -> Answer:
    """`DELETE /v1/subscriptions/{id}`: at once."""
    found = world.require_document("subscription", call.names[0])
    if found["status"] == "canceled":
        raise invalid_request(f"No such subscription: '{found['id']}'", code="resource_missing", status=404)
    return _answer_with_subscription(world, call, found["id"], billing_cycles.cancel_now(world, found))


def _change_price(world: StripeWorld, subscription: Document, params: Document) -> list[Document]:
    """The rest of the period: the old price is given back, the new one is charged, at once or with the next invoice."""
    old, new = subscription["items"]["data"][0], _build_item(params)
    now = world.clock.now_for(world.store, subscription)
    period = {name: old[name] for name in ("id", "current_period_start", "current_period_end")}
    item = new | period
    length = old["current_period_end"] - old["current_period_start"]
    left = max(old["current_period_end"] - now, 0)
    back, more = (round(one["price"]["unit_amount"] * left / length) for one in (old, new))
    subscription["items"]["data"] = [item]
    world.store.put("subscription", subscription)
    lines = [
        billing_cycles.build_invoice_line(subscription, item, amount=amount, start=now) for amount in (-back, more)
    ]
    match read_text(params, "proration_behavior") or "create_prorations":
        case "none":
            return []
        case "always_invoice":
            invoice = billing_cycles.draft_invoice(world, subscription, "subscription_update", lines)
            world.store.put("subscription", subscription | {"latest_invoice": invoice["id"]})
            return billing_cycles.collect_invoice(world, invoice)
    for one in lines:
        kept = {"id": models.new_object_id("ii"), "customer": subscription["customer"], "invoice": None, "line": one}
        world.store.put("invoice_item", kept)
    return []


def _plain_fields(params: Document) -> Document:
    names = ("collection_method", "default_payment_method", "metadata")
    given: Document = {name: params[name] or None for name in names if name in params}
    if "cancel_at_period_end" in params:
        given["cancel_at_period_end"] = read_boolean(params, "cancel_at_period_end")
    return given


def _build_item(params: Document) -> Document:
    """The one item, by `price_data` (the sandbox keeps no prices of its own)."""
    items = params.get("items")
    price = items[0].get("price_data") if isinstance(items, list) and isinstance(items[0], dict) else None
    if not isinstance(price, dict):
        raise invalid_request("The sandbox takes one item with price_data.", param="items")
    recurring = {"interval": "month", "interval_count": "1"} | dict(price.get("recurring", {}))
    made = {
        "id": models.new_object_id("price"),
        "object": "price",
        "currency": read_text(price, "currency") or "usd",
        "recurring": recurring,
        "unit_amount": read_integer(price, "unit_amount", 0),
    }
    return {"id": models.new_object_id("si"), "object": "subscription_item", "price": made, "quantity": 1}


def _answer_with_subscription(
    world: StripeWorld, call: StripeCall, subscription_id: str, events: list[Document]
) -> Answer:
    found = world.require_document("subscription", subscription_id)
    shown = DocumentView(world.store, call.shape).show("subscription", found, call.params.get("expand", ()))
    return Answer(body=shown, events=tuple(events), delivery=Delivery() if world.config.echo else None)
