"""Creating and changing objects through the fake API itself."""

from sandbox import models
from sandbox.calls import Answer
from sandbox.models import Card, Delivery, Document
from sandbox.stripe import documents, invoice_documents, partial_payments, scenarios
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.params import read_boolean, read_integer, read_text
from sandbox.stripe.views import DocumentView
from sandbox.stripe.world import StripeWorld

CUSTOMER_PARAMS = ("address", "description", "email", "invoice_settings", "metadata", "name", "payment_method", "phone")
NEW_CUSTOMER_PARAMS = (*CUSTOMER_PARAMS, "test_clock")
METHOD_PARAMS = ("billing_details", "card", "metadata", "type")
INVOICE_PARAMS = (
    "auto_advance",
    "collection_method",
    "currency",
    "customer",
    "default_payment_method",
    "description",
    "metadata",
)
TEST_CARDS = {"tok_visa": ("visa", "4242"), "tok_mastercard": ("mastercard", "4444"), "tok_amex": ("amex", "8431")}


def create_customer(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/customers`."""
    clock = read_text(call.params, "test_clock")
    lives = {"test_clock": world.require_document("test_clock", clock)["id"] if clock else None}
    made = documents.build_customer(models.new_object_id("cus"), world.clock.now_for(world.store, lives)) | lives
    return _store_and_answer(world, call, "customer", _merge_customer(world, made, call.params), "customer.created")


def update_customer(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/customers/{id}`; a new default payment method must be the customer's own."""
    found = world.require_document("customer", call.names[0])
    before = {"invoice_settings": dict(found["invoice_settings"])}
    changed = _merge_customer(world, found, call.params)
    return _store_and_answer(world, call, "customer", changed, "customer.updated", before)


def create_method(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/payment_methods` of type card, by a test token or a number."""
    if call.params.get("type") != "card" or not isinstance(call.params.get("card"), dict):
        raise invalid_request("The sandbox knows payment methods of type card only.", param="type")
    made = documents.build_payment_method(
        models.new_object_id("pm"), _parse_card(call.params["card"]), world.clock.now()
    )
    made["metadata"] = dict(call.params.get("metadata", {}))
    world.store.put("payment_method", made)
    return Answer(body=DocumentView(world.store, call.shape).show("payment_method", made))


def attach_method(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/payment_methods/{id}/attach`."""
    method = world.require_document("payment_method", call.names[0])
    owner = world.require_document("customer", read_text(call.params, "customer") or "")
    if method["customer"] not in (None, owner["id"]):
        raise invalid_request("The payment method you provided has already been attached to a customer.")
    return _store_and_answer(
        world, call, "payment_method", method | {"customer": owner["id"]}, "payment_method.attached"
    )


def detach_method(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/payment_methods/{id}/detach`."""
    method = world.require_document("payment_method", call.names[0])
    before = {"customer": method["customer"]}
    gone = method | {"customer": None}
    return _store_and_answer(world, call, "payment_method", gone, "payment_method.detached", before)


def create_invoice(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/invoices`: an empty draft (amounts come from the control routes)."""
    owner = world.require_document("customer", read_text(call.params, "customer") or "")
    currency = read_text(call.params, "currency") or "usd"
    made = invoice_documents.build_invoice(models.new_object_id("in"), owner, 0, currency, world.clock.now())
    made |= {name: call.params[name] for name in ("description", "metadata") if name in call.params}
    made["default_payment_method"] = read_text(call.params, "default_payment_method")
    made["auto_advance"] = read_boolean(call.params, "auto_advance")
    return _store_and_answer(world, call, "invoice", made, "invoice.created")


def finalize_invoice(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/invoices/{id}/finalize`: a draft becomes open and gets its payment intent."""
    found = world.require_document("invoice", call.names[0])
    if found["status"] != "draft":
        raise invalid_request("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    opened = invoice_documents.finalize_draft(found, world.clock.now())
    world.store.put("invoice", opened)
    world.payments.next_intent(opened)
    return _store_and_answer(world, call, "invoice", opened, "invoice.finalized")


def void_invoice(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/invoices/{id}/void`."""
    return _close_invoice(world, call, "void", "invoice.voided", "voided_at")


def write_off_invoice(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/invoices/{id}/mark_uncollectible`."""
    return _close_invoice(world, call, "uncollectible", "invoice.marked_uncollectible", "marked_uncollectible_at")


def delete_customer(world: StripeWorld, call: StripeCall) -> Answer:
    """`DELETE /v1/customers/{id}`."""
    events = scenarios.delete_customer_objects(world, call.names[0])
    return Answer(
        body=world.require_document("customer", call.names[0]), events=tuple(events), delivery=_echo_delivery(world)
    )


def create_credit_note(world: StripeWorld, call: StripeCall) -> Answer:
    """`POST /v1/credit_notes` of an open invoice."""
    note, events = partial_payments.issue_credit_note(
        world, read_text(call.params, "invoice") or "", read_integer(call.params, "amount", 0)
    )
    return Answer(body=note, events=tuple(events), delivery=_echo_delivery(world))


def _close_invoice(world: StripeWorld, call: StripeCall, status: str, event: str, moment: str) -> Answer:
    invoice = world.require_document("invoice", call.names[0])
    events = world.payments.close_invoice(invoice, status, event, moment, call.key)
    shown = DocumentView(world.store, call.shape).show("invoice", invoice, call.params.get("expand", ()))
    return Answer(body=shown, events=tuple(events), delivery=_echo_delivery(world))


def _store_and_answer(
    world: StripeWorld, call: StripeCall, kind: str, document: Document, event: str, before: Document | None = None
) -> Answer:
    world.store.put(kind, document)
    recorded = world.events.record(event, kind, document["id"], before, call.key)
    shown = DocumentView(world.store, call.shape).show(kind, document, call.params.get("expand", ()))
    return Answer(body=shown, events=(recorded,), delivery=_echo_delivery(world))


def _echo_delivery(world: StripeWorld) -> Delivery | None:
    return Delivery() if world.config.echo else None


def _merge_customer(world: StripeWorld, customer: Document, params: Document) -> Document:
    plain = ("address", "description", "email", "name", "phone")
    customer |= {name: params[name] or None for name in plain if name in params}
    customer["metadata"] = {k: v for k, v in (customer["metadata"] | params.get("metadata", {})).items() if v}
    if "default_payment_method" in params.get("invoice_settings", {}):
        chosen = params["invoice_settings"]["default_payment_method"] or None
        if chosen and world.require_document("payment_method", chosen)["customer"] != customer["id"]:
            raise invalid_request("The customer does not have a payment method with the ID " + chosen)
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": chosen}
    return customer


def _parse_card(params: Document) -> Card:
    if token := read_text(params, "token"):
        brand, last4 = TEST_CARDS.get(token, ("visa", "4242"))
        return Card(brand=brand, last4=last4)
    number = read_text(params, "number") or "4242424242424242"
    brand = {"5": "mastercard", "3": "amex", "6": "discover"}.get(number[0], "visa")
    month, year = read_integer(params, "exp_month", 12), read_integer(params, "exp_year", 2030)
    return Card(
        brand=brand, last4=number[-4:], exp_month=month, exp_year=year, fingerprint=models.stable_fingerprint(number)
    )
