"""`POST /v1/invoices/{id}/pay`: the scripted heart of the sandbox."""

import asyncio
from collections.abc import Sequence

from sandbox import charges
from sandbox.call import Answer, Call
from sandbox.errors import StripeError, invalid, plain
from sandbox.models import Decline, Delivery, Document, Shape
from sandbox.outcomes import Effect, Outcome, Reply, parse
from sandbox.params import boolean, text
from sandbox.payments import PAYABLE
from sandbox.view import View
from sandbox.world import World

PARAMS = ("expand", "forgive", "mandate", "off_session", "paid_out_of_band", "payment_method", "source")
ACTION_NEEDED = (
    "This payment requires additional user action before it can be completed successfully. Payment can be"
    " completed using the PaymentIntent associated with the invoice."
)


async def prepare(world: World, call: Call) -> None:
    """Check the request, take the next scripted outcome, and wait as it says."""
    invoice = world.need("invoice", call.names[0])
    _check(world, call, invoice)
    if boolean(call.params, "paid_out_of_band"):
        return
    method_of(world, call, invoice)
    call.outcome = take(world, invoice["id"])
    if call.outcome.before:
        await asyncio.sleep(call.outcome.before)


def take(world: World, invoice_id: str) -> Outcome:
    """Consume the next scripted outcome; the invoice's default one when the script is empty."""
    control = world.control(invoice_id)
    if not control["script"]:
        return parse(control["default"])
    text_of = control["script"].pop(0)
    world.store.put("control", control)
    return parse(text_of)


def run(world: World, call: Call) -> Answer:
    """Move the money as scripted, and answer as scripted (which may be something else)."""
    invoice = world.need("invoice", call.names[0])
    _check(world, call, invoice)
    if call.outcome is None:
        return _answer(world, call, world.payments.out_of_band(invoice, call.key))
    if call.outcome.effect is Effect.NOTHING:
        return _reply(world, call, [])
    method = method_of(world, call, invoice)
    if call.outcome.effect is Effect.SUCCEED:
        return _reply(world, call, world.payments.succeed(invoice, method, "pay_call", call.key))
    return _refused(world, call, invoice, method, call.outcome)


def method_of(world: World, call: Call, invoice: Document) -> Document:
    """The payment method to charge: the named one, else what is stored, in Stripe's order."""
    named = text(call.params, "payment_method") or text(call.params, "source")
    return _usable(world, invoice, named) if named else stored_method(world, invoice)


def stored_method(world: World, invoice: Document) -> Document:
    """The invoice's, the subscription's, or the customer's; at each of them a method goes before a source.

    Source: docs.stripe.com/api/invoices/object, `default_payment_method`. The 400 is as people report it.
    """
    for owner in _owners(world, invoice):
        for name in ("default_payment_method", "default_source"):
            if chosen := owner.get(name):
                return _usable(world, invoice, str(chosen))
    raise invalid(
        "There is no `default_payment_method` set on this Customer or Invoice. Please set a `default_payment_method`.",
        code="resource_missing",
    )


def _owners(world: World, invoice: Document) -> list[Document]:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = world.store.get("subscription", details.get("subscription")) or {}
    customer = world.need("customer", invoice["customer"])
    settings = customer.get("invoice_settings") or {}
    return [invoice, subscription, settings, {"default_source": customer.get("default_source")}]


def _usable(world: World, invoice: Document, method_id: str) -> Document:
    method = world.store.get("payment_method", method_id)
    if method is None:
        raise invalid(f"No such PaymentMethod: '{method_id}'", param="payment_method", code="resource_missing")
    if method["customer"] != invoice["customer"]:
        message = f"The customer does not have a payment method with the ID {method_id}."
        raise invalid(
            f"{message} The payment method must be attached to the customer.",
            param="payment_method",
            code="resource_missing",
        )
    return method


def echo(world: World, invoice_id: str) -> Delivery | None:
    """How the events of a pay call are sent; None when echoes are off."""
    control = world.control(invoice_id)
    on = world.config.echo and control["echo"]
    return Delivery.model_validate(control["echo_delivery"] | {"wait": False}) if on else None


def _check(world: World, call: Call, invoice: Document) -> None:
    for name in ("forgive", "off_session", "paid_out_of_band"):
        boolean(call.params, name)
    if invoice["status"] == "paid" and not world.control(invoice["id"])["unguarded"]:
        raise invalid("Invoice is already paid")
    if invoice["status"] not in (*PAYABLE, "paid"):
        raise invalid(f"This invoice can't be paid: its status is {invoice['status']}.", code="invoice_not_editable")


def _refused(world: World, call: Call, invoice: Document, method: Document, outcome: Outcome) -> Answer:
    if outcome.effect is Effect.REQUIRES_ACTION:
        events = world.payments.require_action(invoice, method, call.key)
        error: Document = {"type": "card_error", "code": "invoice_payment_intent_requires_action"}
        error["message"] = ACTION_NEEDED
    else:
        decline = outcome.decline or Decline()
        events = world.payments.decline(invoice, method, decline, call.key)
        error = charges.payment_error(decline, _snapshot(events, "charge", call.shape)["id"], method)
    error["payment_intent"] = _snapshot(events, "payment_intent", call.shape)
    return _with_echo(world, call, 402, {"error": error}, events)


def _snapshot(events: Sequence[Document], kind: str, shape: Shape) -> Document:
    shown: Document = next(event["snapshots"][shape] for event in events if event["type"].startswith(f"{kind}."))
    return shown


def _reply(world: World, call: Call, events: Sequence[Document]) -> Answer:
    outcome = call.outcome or parse("succeed")
    if outcome.reply is Reply.TRUTH:
        return _answer(world, call, events)
    if outcome.reply is Reply.MALFORMED:
        return _with_echo(world, call, 200, {"object": "nonsense", "amount": "many"}, events)
    if outcome.reply is Reply.DROP:
        return _with_echo(world, call, 200, _shown(world, call), events, drop=True)
    error = plain(outcome.status, outcome.retry_after)
    if not events and outcome.status != 500:
        raise error
    return _with_echo(world, call, outcome.status, error.body, events)


def _shown(world: World, call: Call) -> Document:
    invoice = world.need("invoice", call.names[0])
    return View(world.store, call.shape).show("invoice", invoice, call.params.get("expand", ()))


def _answer(world: World, call: Call, events: Sequence[Document]) -> Answer:
    return _with_echo(world, call, 200, _shown(world, call), events)


def _with_echo(
    world: World, call: Call, status: int, body: Document, events: Sequence[Document], drop: bool = False
) -> Answer:
    outcome = call.outcome.text if call.outcome else "paid_out_of_band"
    after = call.outcome.after if call.outcome else 0.0
    keep = not drop or bool(events)
    delivery = echo(world, call.names[0])
    return Answer(
        status, body, events=tuple(events), delivery=delivery, keep=keep, drop=drop, after=after, outcome=outcome
    )


def busy(invoice_id: str) -> StripeError:
    """Stripe's answer to two calls that want the same object at once."""
    return StripeError(
        429,
        type="invalid_request_error",
        code="lock_timeout",
        message=f"This object cannot be accessed right now because another API request is accessing it: {invoice_id}.",
    )
