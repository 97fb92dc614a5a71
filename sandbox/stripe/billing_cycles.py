"""Billing cycles of subscriptions on a test clock: renewals, their payments, and the end of a period that is the last.

Sources: docs.stripe.com/billing/subscriptions/overview (statuses), docs.stripe.com/billing/invoices/subscription (a
renewal's invoice is a draft for about an hour, then it is finalised and paid),
docs.stripe.com/billing/subscriptions/pause-payment, docs.stripe.com/billing/subscriptions/cancel.
Left out, since nothing here asks for it: trials, tax, discounts, usage, Stripe's own retries.
"""

from calendar import monthrange
from datetime import UTC, datetime

from sandbox import models
from sandbox.calls import Answer
from sandbox.models import Decline, Delivery, Document
from sandbox.outcomes import Effect
from sandbox.stripe import invoice_documents
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeError, invalid_request
from sandbox.stripe.params import read_integer, read_text
from sandbox.stripe.pay_endpoint import stored_method
from sandbox.stripe.world import StripeWorld

DRAFT_SECONDS = 3600
LIVE_STATUSES = ("active", "past_due", "unpaid", "trialing")


def run_due_cycles(world: StripeWorld, clock: Document, until: int) -> list[Document]:
    """Move the clock from one due moment to the next; gives what happened, in order."""
    events: list[Document] = []
    while (due := _next_due(world, clock["id"])) is not None and due[0] <= until:
        moment, kind, document = due
        clock["frozen_time"] = max(clock["frozen_time"], moment)
        world.store.put("test_clock", clock)
        events += _renew_subscription(world, document) if kind == "subscription" else collect_invoice(world, document)
    world.store.put("test_clock", clock | {"frozen_time": until})
    return events


def _next_due(world: StripeWorld, clock_id: str) -> tuple[int, str, Document] | None:
    due = [
        (item["current_period_end"], "subscription", one)
        for one in world.store.find("subscription")
        if one["test_clock"] == clock_id and one["status"] in LIVE_STATUSES and (item := _first_item(one))
    ]
    due += [
        (one["automatically_finalizes_at"], "invoice", one)
        for one in world.store.find("invoice")
        if one["test_clock"] == clock_id and one["status"] == "draft" and one["automatically_finalizes_at"]
    ]
    return min(due, key=lambda one: one[:2], default=None)


def _renew_subscription(world: StripeWorld, subscription: Document) -> list[Document]:
    """A new period with a draft of its invoice, or the end where this period was the last."""
    if subscription["cancel_at_period_end"]:
        return cancel_now(world, subscription)
    item = subscription["items"]["data"][0]
    start = item["current_period_end"]
    item |= {"current_period_start": start, "current_period_end": next_period_end(start, item)}
    invoice = draft_invoice(world, subscription, "subscription_cycle", [build_invoice_line(subscription, item)])
    invoice |= {"automatically_finalizes_at": start + DRAFT_SECONDS, "auto_advance": True}
    if (subscription["pause_collection"] or {}).get("behavior") == "keep_as_draft":
        invoice |= {"automatically_finalizes_at": None, "auto_advance": False}
    world.store.put("invoice", invoice)
    world.store.put("subscription", subscription | {"latest_invoice": invoice["id"]})
    events = [world.events.record("invoice.created", "invoice", invoice["id"])]
    changed = {"latest_invoice": subscription["latest_invoice"]}
    return [*events, world.events.record("customer.subscription.updated", "subscription", subscription["id"], changed)]


def cancel_now(world: StripeWorld, subscription: Document) -> list[Document]:
    """Canceled for good; what is open stays open."""
    now = world.clock.now_for(world.store, subscription)
    gone = {"status": "canceled", "ended_at": now, "canceled_at": subscription["canceled_at"] or now}
    world.store.put("subscription", subscription | gone)
    return [world.events.record("customer.subscription.deleted", "subscription", subscription["id"])]


def draft_invoice(world: StripeWorld, subscription: Document, reason: str, lines: list[Document]) -> Document:
    """An invoice of a subscription: its lines, and the prorations that were waiting for it."""
    customer = world.require_document("customer", subscription["customer"])
    waiting = world.store.find("invoice_item", customer=customer["id"])
    lines = lines + [item["line"] for item in waiting if item["invoice"] is None]
    for item in waiting:
        world.store.put("invoice_item", item | {"invoice": "billed"})
    amount, now = sum(one["amount"] for one in lines), world.clock.now_for(world.store, subscription)
    made = invoice_documents.build_invoice(
        models.new_object_id("in"), customer, max(amount, 0), subscription["currency"], now
    )
    made["lines"]["data"] = lines
    made |= {"billing_reason": reason, "parent": invoice_documents.subscription_parent(subscription["id"], {})}
    made |= {"collection_method": subscription["collection_method"], "total": amount, "subtotal": amount}
    return world.store.put("invoice", made)


def collect_invoice(world: StripeWorld, invoice: Document) -> list[Document]:
    """Finalise a draft and try to take its money, as its subscription says."""
    invoice = invoice_documents.finalize_draft(invoice, world.clock.now_for(world.store, invoice)) | {
        "automatically_finalizes_at": None
    }
    world.store.put("invoice", invoice)
    events = [world.events.record("invoice.finalized", "invoice", invoice["id"])]
    subscription = world.require_document("subscription", invoice["parent"]["subscription_details"]["subscription"])
    paused = (subscription["pause_collection"] or {}).get("behavior")
    if paused == "void":
        return events + world.payments.close_invoice(invoice, "void", "invoice.voided", "voided_at")
    if paused == "mark_uncollectible":
        name, moment = "invoice.marked_uncollectible", "marked_uncollectible_at"
        return events + world.payments.close_invoice(invoice, "uncollectible", name, moment)
    if invoice["collection_method"] == "send_invoice":
        return [*events, world.events.record("invoice.sent", "invoice", invoice["id"])]
    return events + _charge_first_payment(world, invoice, subscription)


def _charge_first_payment(world: StripeWorld, invoice: Document, subscription: Document) -> list[Document]:
    """The first payment of an invoice; one that fails leaves the subscription `past_due`."""
    if invoice["amount_remaining"] == 0:
        world.payments.close_when_paid(invoice)
        return world.payments.record_events([("invoice.paid", "invoice", invoice)])
    outcome = world.take_outcome(subscription["id"])
    try:
        method = stored_method(world, invoice)
    except StripeError:
        world.payments.next_intent(invoice)
        world.store.put("invoice", invoice | {"attempted": True, "attempt_count": 1})
        events = world.payments.record_events([("invoice.payment_failed", "invoice", invoice)])
        return events + _mark_past_due(world, subscription)
    if outcome.effect is Effect.SUCCEED:
        return world.payments.record_success(invoice, method, "renewal", None)
    if outcome.effect is Effect.REQUIRES_ACTION:
        return world.payments.require_action(invoice, method) + _mark_past_due(world, subscription)
    events = world.payments.record_decline(invoice, method, outcome.decline or Decline(), automatic=True)
    return events + _mark_past_due(world, subscription)


def _mark_past_due(world: StripeWorld, subscription: Document) -> list[Document]:
    status = "incomplete" if subscription["status"] == "incomplete" else "past_due"
    world.store.put("subscription", world.require_document("subscription", subscription["id"]) | {"status": status})
    before = {"status": subscription["status"]}
    return [world.events.record("customer.subscription.updated", "subscription", subscription["id"], before)]


def build_invoice_line(
    subscription: Document, item: Document, *, amount: int | None = None, start: int | None = None
) -> Document:
    """A line of an invoice; with an amount of its own a proration of what is left of the period."""
    details = {
        "subscription": subscription["id"],
        "subscription_item": item["id"],
        "proration": amount is not None,
        "invoice_item": None,
    }
    return {
        "id": models.new_object_id("il"),
        "object": "line_item",
        "amount": item["price"]["unit_amount"] if amount is None else amount,
        "currency": subscription["currency"],
        "parent": {"type": "subscription_item_details", "subscription_item_details": details},
        "period": {"start": start or item["current_period_start"], "end": item["current_period_end"]},
    }


def next_period_end(start: int, item: Document) -> int:
    """The same day of the next month, or the last one there is; weeks, days and years alike."""
    recurring, began = item["price"]["recurring"], datetime.fromtimestamp(start, UTC)
    count = int(recurring["interval_count"])
    if recurring["interval"] in ("day", "week"):
        return start + count * {"day": 1, "week": 7}[recurring["interval"]] * 86_400
    months = began.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    year, month = began.year + months // 12, months % 12 + 1
    day = min(began.day, monthrange(year, month)[1])
    return int(began.replace(year=year, month=month, day=day).timestamp())


def _first_item(subscription: Document) -> Document | None:
    items = subscription["items"]["data"]
    return items[0] if items else None


def create_test_clock(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/test_helpers/test_clocks`."""
    if read_text(call.params, "frozen_time") is None:
        raise invalid_request("Missing required param: frozen_time.", param="frozen_time", code="parameter_missing")
    frozen = read_integer(call.params, "frozen_time", 0)
    return Answer(
        body=world.store.put("test_clock", build_test_clock(frozen, world.clock.now(), read_text(call.params, "name")))
    )


def build_test_clock(frozen: int, now: int, name: str | None = None) -> Document:
    """A clock that stands still."""
    return {
        "id": models.new_object_id("clock"),
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + 30 * 86_400,
        "frozen_time": frozen,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }


def advance_test_clock(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/test_helpers/test_clocks/{id}/advance`: everything that falls due until then happens, in order."""
    found = world.require_document("test_clock", call.names[0])
    wanted = read_integer(call.params, "frozen_time", 0)
    if wanted <= found["frozen_time"]:
        raise invalid_request("The frozen time must be in the future of the clock's present.", param="frozen_time")
    events = run_due_cycles(world, found, wanted)
    events.append(world.events.record("test_helpers.test_clock.ready", "test_clock", found["id"]))
    delivery = Delivery() if world.config.echo else None
    body = world.require_document("test_clock", found["id"]) | {"status": "advancing"}
    return Answer(body=body, events=tuple(events), delivery=delivery)
