"""Things that happen to an invoice from outside the API. Each runs in one transaction and gives its events."""

from sandbox import models
from sandbox.models import Card, Decline, Document, Script
from sandbox.outcomes import Effect, parse_outcome
from sandbox.stripe import documents, factory
from sandbox.stripe.errors import invalid_request, resource_missing
from sandbox.stripe.models import FailedInvoice, FailedInvoiceIds
from sandbox.stripe.pay_endpoint import stored_method
from sandbox.stripe.world import StripeWorld

Events = list[Document]
EVENT_KINDS = {
    "invoice.": "invoice",
    "invoice_payment.": "invoice_payment",
    "payment_intent.": "payment_intent",
    "payment_method.": "payment_method",
    "charge.dispute.": None,
    "charge.": "charge",
    "customer.subscription.": "subscription",
    "customer.": "customer",
    "credit_note.": None,
    "refund.": None,
}
"""Which object an event type is about, the longer prefixes first."""


def store_failed_invoice(world: StripeWorld, spec: FailedInvoice) -> tuple[FailedInvoiceIds, Document]:
    """Store a ready-made failed payment with its script, and record its failure event."""
    if spec.invoice_id and world.store.get("invoice", spec.invoice_id):
        raise invalid_request(f"There is an invoice {spec.invoice_id} already.", code="resource_already_exists")
    owner = world.store.get("customer", spec.customer_id)
    made = factory.build_failed_payment(spec, _present_of(world, spec, owner), owner)
    for kind in (
        "customer",
        "payment_method",
        "invoice",
        "payment_intent",
        "invoice_payment",
        "charge",
        "subscription",
    ):
        if document := getattr(made, kind):
            world.store.put(kind, document)
    store_invoice_script(world, made.invoice["id"], spec.to_script())
    event = world.events.record("invoice.payment_failed", "invoice", made.invoice["id"])
    return made.to_ids(event["id"]), event


def _present_of(world: StripeWorld, spec: FailedInvoice, owner: Document | None) -> int:
    """The time of the customer's test clock, if it lives on one."""
    clock = spec.test_clock or (owner or {}).get("test_clock")
    if clock:
        world.require_document("test_clock", clock)
    return world.clock.now_for(world.store, {"test_clock": clock})


def store_invoice_script(world: StripeWorld, invoice_id: str, wanted: Script) -> Document:
    """Change what the next pay calls do. Raises StripeError (404) and, for an outcome, ValueError."""
    world.require_document("invoice", invoice_id)
    return world.store_script(invoice_id, wanted)


def attach_new_card(world: StripeWorld, customer_id: str, card: Card, set_default: bool, type_: str = "card") -> Events:
    """The customer enters another card, on a billing page of the merchant for example."""
    customer = world.require_document("customer", customer_id)
    method = documents.build_payment_method(
        models.new_object_id("pm"), card, world.clock.now(), customer["livemode"], type_
    )
    world.store.put("payment_method", method | {"customer": customer_id})
    events = [world.events.record("payment_method.attached", "payment_method", method["id"])]
    if set_default:
        before = {"invoice_settings": {"default_payment_method": _default_method(customer)}}
        chosen = customer["invoice_settings"] | {"default_payment_method": method["id"]}
        world.store.put("customer", customer | {"invoice_settings": chosen})
        events.append(world.events.record("customer.updated", "customer", customer_id, before))
    return events


def apply_card_update(world: StripeWorld, method_id: str, last4: str | None, exp_month: int, exp_year: int) -> Events:
    """The card network tells the provider a card's new number or expiry date."""
    method = world.require_document("payment_method", method_id)
    card = method["card"]
    before = {"card": {name: card[name] for name in ("exp_month", "exp_year", "last4", "fingerprint")}}
    changed: Document = {"exp_month": exp_month, "exp_year": exp_year}
    if last4:
        changed |= {"last4": last4, "fingerprint": models.stable_fingerprint(card["brand"], last4, exp_year, exp_month)}
    world.store.put("payment_method", method | {"card": card | changed})
    return [world.events.record("payment_method.automatically_updated", "payment_method", method_id, before)]


def pay_on_hosted_page(world: StripeWorld, invoice_id: str) -> Events:
    """The customer pays on the hosted invoice page: a real charge, with the default card."""
    invoice = world.require_payable_invoice(invoice_id)
    return world.payments.record_success(invoice, stored_method(world, invoice), "hosted_page", None)


def close_open_invoice(world: StripeWorld, invoice_id: str, status: str) -> Events:
    """The merchant voids the invoice (`void`) or writes it off (`uncollectible`) on the dashboard."""
    invoice = world.require_document("invoice", invoice_id)
    if status == "void":
        return world.payments.close_invoice(invoice, status, "invoice.voided", "voided_at")
    return world.payments.close_invoice(invoice, status, "invoice.marked_uncollectible", "marked_uncollectible_at")


def end_subscription(world: StripeWorld, invoice_id: str) -> Events:
    """The subscription behind the invoice is canceled; the invoice itself stays as it is."""
    found = _subscription_of(world, world.require_document("invoice", invoice_id))
    now = world.clock.now()
    world.store.put("subscription", found | {"status": "canceled", "canceled_at": now, "ended_at": now})
    return [world.events.record("customer.subscription.deleted", "subscription", found["id"])]


def open_dispute(world: StripeWorld, invoice_id: str, reason: str, status: str = "needs_response") -> Events:
    """The cardholder disputes the invoice's latest charge, or (`warning_…`) their bank only asks."""
    charge = _latest_charge(world, invoice_id)
    world.store.put("charge", charge | {"disputed": True})
    made = world.store.put("dispute", documents.build_dispute(charge, world.clock.now(), reason, status))
    names = ["charge.dispute.created"] + ([] if status.startswith("warning_") else ["charge.dispute.funds_withdrawn"])
    return [world.events.record(name, "dispute", made["id"]) for name in names]


def delete_customer_objects(world: StripeWorld, customer_id: str) -> Events:
    """The customer is gone with methods and subscriptions (docs.stripe.com/api/customers/delete)."""
    customer = world.require_document("customer", customer_id)
    if customer.get("deleted"):
        raise resource_missing("customer", customer_id)
    event = world.events.record("customer.deleted", "customer", customer_id)
    for method in world.store.find("payment_method", customer=customer_id):
        world.store.put("payment_method", method | {"customer": None})
    ended = [one for one in world.store.find("subscription", customer=customer_id) if one["status"] != "canceled"]
    now = world.clock.now_for(world.store, customer)
    for one in ended:
        world.store.put("subscription", one | {"status": "canceled", "canceled_at": now, "ended_at": now})
    world.store.put("customer", {"id": customer_id, "object": "customer", "deleted": True})
    return [event, *(world.events.record("customer.subscription.deleted", "subscription", one["id"]) for one in ended)]


def change_fields(world: StripeWorld, kind: str, document_id: str, fields: Document, event: str | None) -> Events:
    """The merchant changes fields of an object on the dashboard; `event` tells what they were."""
    found = world.require_document(kind, document_id)
    before = {name: found.get(name) for name in fields}
    world.store.put(kind, found | fields)
    return [world.events.record(event, kind, document_id, before)] if event else []


def warn_of_fraud(world: StripeWorld, invoice_id: str, fraud_type: str) -> Events:
    """The issuer sends an early fraud warning for the invoice's latest charge."""
    charge = _latest_charge(world, invoice_id)
    made = documents.build_fraud_warning(charge, world.clock.now(), fraud_type)
    world.store.put("early_fraud_warning", made)
    return [world.events.record("radar.early_fraud_warning.created", "early_fraud_warning", made["id"])]


def retry_by_provider(world: StripeWorld, invoice_id: str, outcome: str | None, next_attempt: int | None) -> Events:
    """The provider's own schedule tries again: this one does count in `attempt_count`."""
    invoice = world.require_payable_invoice(invoice_id)
    chosen = parse_outcome(outcome) if outcome else world.take_outcome(invoice_id)
    invoice["next_payment_attempt"] = next_attempt
    method = stored_method(world, invoice)
    if chosen.effect is Effect.SUCCEED:
        return world.payments.record_success(invoice, method, "provider_retry", None)
    if chosen.effect is not Effect.DECLINE:
        raise ValueError("a provider's own retry succeeds or is declined")
    return world.payments.record_decline(invoice, method, chosen.decline or Decline(), automatic=True)


def take_snapshot(world: StripeWorld, invoice_id: str, event_type: str) -> Document:
    """A new event of any type, about the object of the invoice that such an event is about."""
    kind = next((kind for prefix, kind in EVENT_KINDS.items() if event_type.startswith(prefix)), None)
    if kind is None:
        raise ValueError(f"no object of an invoice goes with {event_type!r}; send it raw")
    return world.events.record(event_type, kind, _object_of_invoice(world, invoice_id, kind)["id"])


def _object_of_invoice(world: StripeWorld, invoice_id: str, kind: str) -> Document:
    invoice = world.require_document("invoice", invoice_id)
    if kind == "invoice":
        return invoice
    if kind == "charge":
        return _latest_charge(world, invoice_id)
    if kind in ("invoice_payment", "subscription"):
        return (world.store.find(kind, invoice=invoice_id) or [_subscription_of(world, invoice)])[0]
    if kind == "customer":
        return world.require_document("customer", invoice["customer"])
    return stored_method(world, invoice) if kind == "payment_method" else world.payments.next_intent(invoice)


def _subscription_of(world: StripeWorld, invoice: Document) -> Document:
    if invoice["parent"] is None:
        raise invalid_request("This invoice has no subscription.")
    return world.require_document("subscription", invoice["parent"]["subscription_details"]["subscription"])


def _default_method(customer: Document) -> str | None:
    chosen = customer["invoice_settings"]["default_payment_method"]
    return str(chosen) if chosen else None


def _latest_charge(world: StripeWorld, invoice_id: str) -> Document:
    links = world.store.find("invoice_payment", invoice=invoice_id)
    for link in links:
        intent = world.require_document("payment_intent", link["payment"]["payment_intent"])
        if intent["latest_charge"]:
            return world.require_document("charge", intent["latest_charge"])
    raise invalid_request("This invoice has no charge.")
