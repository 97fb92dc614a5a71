"""Things that happen to an invoice from outside the API. Each runs in one transaction and gives its events."""

from sandbox import documents, factory, ids
from sandbox.errors import invalid
from sandbox.models import Card, Created, Decline, Document, FailedInvoice, Script
from sandbox.outcomes import Effect, parse
from sandbox.pay import take
from sandbox.payments import PAYABLE
from sandbox.world import World

Events = list[Document]
ABOUT = {
    "invoice.": "invoice",
    "invoice_payment.": "invoice_payment",
    "payment_intent.": "payment_intent",
    "payment_method.": "payment_method",
    "charge.dispute.": None,
    "charge.": "charge",
    "customer.subscription.": "subscription",
    "customer.": "customer",
}
"""Which object an event type is about, the longer prefixes first."""


def create_failed_invoice(world: World, spec: FailedInvoice) -> tuple[Created, Document]:
    """Store a ready-made failed payment with its script, and record its failure event."""
    if spec.invoice_id and world.store.get("invoice", spec.invoice_id):
        raise invalid(f"There is an invoice {spec.invoice_id} already.", code="resource_already_exists")
    owner = world.store.get("customer", spec.customer_id)
    made = factory.failed_payment(spec, world.clock.now(), owner)
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
    script(world, made.invoice["id"], _script(spec))
    event = world.events.record("invoice.payment_failed", "invoice", made.invoice["id"])
    return made.created(event["id"]), event


def _script(spec: FailedInvoice) -> Script:
    return Script(
        outcomes=spec.script,
        default=spec.default,
        echo=spec.echo,
        echo_delivery=spec.echo_delivery,
        unguarded=spec.unguarded,
    )


def script(world: World, invoice_id: str, wanted: Script) -> Document:
    """Change what the next pay calls do; an outcome that isn't understood is refused at once."""
    world.need("invoice", invoice_id)
    return set_script(world, invoice_id, wanted)


def set_script(world: World, name: str, wanted: Script) -> Document:
    """The same for whatever has a script of that name."""
    for text in (*(wanted.outcomes or ()), *([wanted.default] if wanted.default else [])):
        parse(text)
    control = world.control(name)
    if wanted.outcomes is not None:
        control["script"] = (control["script"] if wanted.append else []) + list(wanted.outcomes)
    changed = wanted.model_dump(exclude_none=True, exclude={"outcomes", "append"}, mode="json")
    return world.store.put("control", control | changed)


def new_card(world: World, customer_id: str, card: Card, set_default: bool) -> Events:
    """The customer enters another card, on a billing page of the merchant for example."""
    customer = world.need("customer", customer_id)
    method = documents.payment_method(ids.new("pm"), card, world.clock.now(), customer["livemode"])
    world.store.put("payment_method", method | {"customer": customer_id})
    events = [world.events.record("payment_method.attached", "payment_method", method["id"])]
    if set_default:
        before = {"invoice_settings": {"default_payment_method": _default(customer)}}
        chosen = customer["invoice_settings"] | {"default_payment_method": method["id"]}
        world.store.put("customer", customer | {"invoice_settings": chosen})
        events.append(world.events.record("customer.updated", "customer", customer_id, before))
    return events


def card_update(world: World, method_id: str, last4: str | None, exp_month: int, exp_year: int) -> Events:
    """The card network tells the provider a card's new number or expiry date."""
    method = world.need("payment_method", method_id)
    card = method["card"]
    before = {"card": {name: card[name] for name in ("exp_month", "exp_year", "last4", "fingerprint")}}
    changed: Document = {"exp_month": exp_month, "exp_year": exp_year}
    if last4:
        changed |= {"last4": last4, "fingerprint": ids.fingerprint(card["brand"], last4, exp_year, exp_month)}
    world.store.put("payment_method", method | {"card": card | changed})
    return [world.events.record("payment_method.automatically_updated", "payment_method", method_id, before)]


def pay_hosted(world: World, invoice_id: str) -> Events:
    """The customer pays on the hosted invoice page: a real charge, with the default card."""
    invoice = _payable(world, invoice_id)
    return world.payments.succeed(invoice, _method(world, invoice), "hosted_page", None)


def close(world: World, invoice_id: str, status: str) -> Events:
    """The merchant voids the invoice (`void`) or writes it off (`uncollectible`) on the dashboard."""
    invoice = world.need("invoice", invoice_id)
    if status == "void":
        return world.payments.close(invoice, status, "invoice.voided", "voided_at")
    return world.payments.close(invoice, status, "invoice.marked_uncollectible", "marked_uncollectible_at")


def end_subscription(world: World, invoice_id: str) -> Events:
    """The subscription behind the invoice is canceled; the invoice itself stays as it is."""
    found = _subscription(world, world.need("invoice", invoice_id))
    now = world.clock.now()
    world.store.put("subscription", found | {"status": "canceled", "canceled_at": now, "ended_at": now})
    return [world.events.record("customer.subscription.deleted", "subscription", found["id"])]


def open_dispute(world: World, invoice_id: str, reason: str) -> Events:
    """The cardholder disputes the invoice's latest charge."""
    charge = _latest_charge(world, invoice_id)
    world.store.put("charge", charge | {"disputed": True})
    made = world.store.put("dispute", documents.dispute(charge, world.clock.now(), reason))
    return [world.events.record("charge.dispute.created", "dispute", made["id"])]


def warn_of_fraud(world: World, invoice_id: str, fraud_type: str) -> Events:
    """The issuer sends an early fraud warning for the invoice's latest charge."""
    charge = _latest_charge(world, invoice_id)
    made = documents.early_fraud_warning(charge, world.clock.now(), fraud_type)
    world.store.put("early_fraud_warning", made)
    return [world.events.record("radar.early_fraud_warning.created", "early_fraud_warning", made["id"])]


def provider_retry(world: World, invoice_id: str, outcome: str | None, next_attempt: int | None) -> Events:
    """The provider's own schedule tries again: this one does count in `attempt_count`."""
    invoice = _payable(world, invoice_id)
    chosen = parse(outcome) if outcome else take(world, invoice_id)
    invoice["next_payment_attempt"] = next_attempt
    method = _method(world, invoice)
    if chosen.effect is Effect.SUCCEED:
        return world.payments.succeed(invoice, method, "provider_retry", None)
    if chosen.effect is not Effect.DECLINE:
        raise ValueError("a provider's own retry succeeds or is declined")
    return world.payments.decline(invoice, method, chosen.decline or Decline(), automatic=True)


def take_snapshot(world: World, invoice_id: str, event_type: str) -> Document:
    """A new event of any type, about the object of the invoice that such an event is about."""
    kind = next((kind for prefix, kind in ABOUT.items() if event_type.startswith(prefix)), None)
    if kind is None:
        raise ValueError(f"no object of an invoice goes with {event_type!r}; send it raw")
    return world.events.record(event_type, kind, _of(world, invoice_id, kind)["id"])


def _of(world: World, invoice_id: str, kind: str) -> Document:
    invoice = world.need("invoice", invoice_id)
    if kind == "invoice":
        return invoice
    if kind == "charge":
        return _latest_charge(world, invoice_id)
    if kind in ("invoice_payment", "subscription"):
        return (world.store.find(kind, invoice=invoice_id) or [_subscription(world, invoice)])[0]
    if kind == "customer":
        return world.need("customer", invoice["customer"])
    return _method(world, invoice) if kind == "payment_method" else world.payments.intent(invoice)


def _subscription(world: World, invoice: Document) -> Document:
    if invoice["parent"] is None:
        raise invalid("This invoice has no subscription.")
    return world.need("subscription", invoice["parent"]["subscription_details"]["subscription"])


def _payable(world: World, invoice_id: str) -> Document:
    invoice = world.need("invoice", invoice_id)
    if invoice["status"] not in PAYABLE:
        raise invalid(f"This invoice can't be paid: its status is {invoice['status']}.")
    return invoice


def _default(customer: Document) -> str | None:
    chosen = customer["invoice_settings"]["default_payment_method"]
    return str(chosen) if chosen else None


def _method(world: World, invoice: Document) -> Document:
    chosen = invoice["default_payment_method"] or _default(world.need("customer", invoice["customer"]))
    if chosen is None:
        raise invalid("There is no default payment method for this customer.")
    return world.need("payment_method", chosen)


def _latest_charge(world: World, invoice_id: str) -> Document:
    links = world.store.find("invoice_payment", invoice=invoice_id)
    for link in links:
        intent = world.need("payment_intent", link["payment"]["payment_intent"])
        if intent["latest_charge"]:
            return world.need("charge", intent["latest_charge"])
    raise invalid("This invoice has no charge.")
