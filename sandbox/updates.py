"""Creating and changing objects through the fake API itself."""

from sandbox import billing, documents, ids, parts, scenarios
from sandbox.call import Answer, Call
from sandbox.errors import invalid
from sandbox.models import Card, Delivery, Document
from sandbox.params import boolean, integer, text
from sandbox.view import View
from sandbox.world import World

CUSTOMER = ("address", "description", "email", "invoice_settings", "metadata", "name", "payment_method", "phone")
NEW_CUSTOMER = (*CUSTOMER, "test_clock")
METHOD = ("billing_details", "card", "metadata", "type")
INVOICE = (
    "auto_advance",
    "collection_method",
    "currency",
    "customer",
    "default_payment_method",
    "description",
    "metadata",
)
TEST_CARDS = {"tok_visa": ("visa", "4242"), "tok_mastercard": ("mastercard", "4444"), "tok_amex": ("amex", "8431")}


def create_customer(world: World, call: Call) -> Answer:
    """`POST /v1/customers`."""
    clock = text(call.params, "test_clock")
    lives = {"test_clock": world.need("test_clock", clock)["id"] if clock else None}
    made = documents.customer(ids.new("cus"), world.clock.on(world.store, lives)) | lives
    return _changed(world, call, "customer", _merge_customer(world, made, call.params), "customer.created")


def update_customer(world: World, call: Call) -> Answer:
    """`POST /v1/customers/{id}`; a new default payment method must be the customer's own."""
    found = world.need("customer", call.names[0])
    before = {"invoice_settings": dict(found["invoice_settings"])}
    changed = _merge_customer(world, found, call.params)
    return _changed(world, call, "customer", changed, "customer.updated", before)


def create_method(world: World, call: Call) -> Answer:
    """`POST /v1/payment_methods` of type card, by a test token or a number."""
    if call.params.get("type") != "card" or not isinstance(call.params.get("card"), dict):
        raise invalid("The sandbox knows payment methods of type card only.", param="type")
    made = documents.payment_method(ids.new("pm"), _card(call.params["card"]), world.clock.now())
    made["metadata"] = dict(call.params.get("metadata", {}))
    world.store.put("payment_method", made)
    return Answer(body=View(world.store, call.shape).show("payment_method", made))


def attach_method(world: World, call: Call) -> Answer:
    """`POST /v1/payment_methods/{id}/attach`."""
    method = world.need("payment_method", call.names[0])
    owner = world.need("customer", text(call.params, "customer") or "")
    if method["customer"] not in (None, owner["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.")
    return _changed(world, call, "payment_method", method | {"customer": owner["id"]}, "payment_method.attached")


def detach_method(world: World, call: Call) -> Answer:
    """`POST /v1/payment_methods/{id}/detach`."""
    method = world.need("payment_method", call.names[0])
    before = {"customer": method["customer"]}
    gone = method | {"customer": None}
    return _changed(world, call, "payment_method", gone, "payment_method.detached", before)


def create_invoice(world: World, call: Call) -> Answer:
    """`POST /v1/invoices`: an empty draft (amounts come from the control routes)."""
    owner = world.need("customer", text(call.params, "customer") or "")
    currency = text(call.params, "currency") or "usd"
    made = billing.invoice(ids.new("in"), owner, 0, currency, world.clock.now())
    made |= {name: call.params[name] for name in ("description", "metadata") if name in call.params}
    made["default_payment_method"] = text(call.params, "default_payment_method")
    made["auto_advance"] = boolean(call.params, "auto_advance")
    return _changed(world, call, "invoice", made, "invoice.created")


def finalize_invoice(world: World, call: Call) -> Answer:
    """`POST /v1/invoices/{id}/finalize`: a draft becomes open and gets its payment intent."""
    found = world.need("invoice", call.names[0])
    if found["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    opened = billing.finalize(found, world.clock.now())
    world.store.put("invoice", opened)
    world.payments.intent(opened)
    return _changed(world, call, "invoice", opened, "invoice.finalized")


def void_invoice(world: World, call: Call) -> Answer:
    """`POST /v1/invoices/{id}/void`."""
    return _closed(world, call, "void", "invoice.voided", "voided_at")


def write_off_invoice(world: World, call: Call) -> Answer:
    """`POST /v1/invoices/{id}/mark_uncollectible`."""
    return _closed(world, call, "uncollectible", "invoice.marked_uncollectible", "marked_uncollectible_at")


def delete_customer(world: World, call: Call) -> Answer:
    """`DELETE /v1/customers/{id}`."""
    events = scenarios.delete_customer(world, call.names[0])
    return Answer(body=world.need("customer", call.names[0]), events=tuple(events), delivery=_delivery(world))


def create_credit_note(world: World, call: Call) -> Answer:
    """`POST /v1/credit_notes` of an open invoice."""
    note, events = parts.credit(world, text(call.params, "invoice") or "", integer(call.params, "amount", 0))
    return Answer(body=note, events=tuple(events), delivery=_delivery(world))


def _closed(world: World, call: Call, status: str, event: str, moment: str) -> Answer:
    invoice = world.need("invoice", call.names[0])
    events = world.payments.close(invoice, status, event, moment, call.key)
    shown = View(world.store, call.shape).show("invoice", invoice, call.params.get("expand", ()))
    return Answer(body=shown, events=tuple(events), delivery=_delivery(world))


def _changed(
    world: World, call: Call, kind: str, document: Document, event: str, before: Document | None = None
) -> Answer:
    world.store.put(kind, document)
    recorded = world.events.record(event, kind, document["id"], before, call.key)
    shown = View(world.store, call.shape).show(kind, document, call.params.get("expand", ()))
    return Answer(body=shown, events=(recorded,), delivery=_delivery(world))


def _delivery(world: World) -> Delivery | None:
    return Delivery() if world.config.echo else None


def _merge_customer(world: World, customer: Document, params: Document) -> Document:
    plain = ("address", "description", "email", "name", "phone")
    customer |= {name: params[name] or None for name in plain if name in params}
    customer["metadata"] = {k: v for k, v in (customer["metadata"] | params.get("metadata", {})).items() if v}
    if "default_payment_method" in params.get("invoice_settings", {}):
        chosen = params["invoice_settings"]["default_payment_method"] or None
        if chosen and world.need("payment_method", chosen)["customer"] != customer["id"]:
            raise invalid("The customer does not have a payment method with the ID " + chosen)
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": chosen}
    return customer


def _card(params: Document) -> Card:
    if token := text(params, "token"):
        brand, last4 = TEST_CARDS.get(token, ("visa", "4242"))
        return Card(brand=brand, last4=last4)
    number = text(params, "number") or "4242424242424242"
    brand = {"5": "mastercard", "3": "amex", "6": "discover"}.get(number[0], "visa")
    month, year = integer(params, "exp_month", 12), integer(params, "exp_year", 2030)
    return Card(brand=brand, last4=number[-4:], exp_month=month, exp_year=year, fingerprint=ids.fingerprint(number))
