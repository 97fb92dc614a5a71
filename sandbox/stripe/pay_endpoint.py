"""`POST /v1/invoices/{id}/pay`: the scripted heart of the sandbox."""

import asyncio
from collections.abc import Sequence

from sandbox.calls import Answer
from sandbox.models import Decline, Document, Shape
from sandbox.outcomes import Effect, Outcome, Reply, parse_outcome
from sandbox.stripe import charges
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeError, error_for_status, invalid_request
from sandbox.stripe.params import read_boolean, read_text
from sandbox.stripe.payments import PAYABLE_STATUSES
from sandbox.stripe.views import DocumentView
from sandbox.stripe.world import StripeWorld

PAY_PARAMS = ("expand", "forgive", "mandate", "off_session", "paid_out_of_band", "payment_method", "source")
ACTION_NEEDED = (
    "This payment requires additional user action before it can be completed successfully. Payment can be"
    " completed using the PaymentIntent associated with the invoice."
)


async def prepare_pay_call(world: StripeWorld, call: StripeCall) -> None:
    """Check the request, take the next scripted outcome, and wait as it says."""
    invoice = world.require_document("invoice", call.names[0])
    _check_request(world, call, invoice)
    if read_boolean(call.params, "paid_out_of_band"):
        return
    method_for_call(world, call, invoice)
    call.outcome = world.take_outcome(invoice["id"])
    if call.outcome.before:
        await asyncio.sleep(call.outcome.before)


def run_pay_call(world: StripeWorld, call: StripeCall) -> Answer:
    """Move the money as scripted, and answer as scripted (which may be something else)."""
    invoice = world.require_document("invoice", call.names[0])
    _check_request(world, call, invoice)
    if call.outcome is None:
        return _answer_with_invoice(world, call, world.payments.pay_out_of_band(invoice, call.key))
    if call.outcome.effect is Effect.NOTHING:
        return _answer_as_scripted(world, call, [])
    method = method_for_call(world, call, invoice)
    if call.outcome.effect is Effect.SUCCEED:
        return _answer_as_scripted(world, call, world.payments.record_success(invoice, method, "pay_call", call.key))
    return _answer_refusal(world, call, invoice, method, call.outcome)


def method_for_call(world: StripeWorld, call: StripeCall, invoice: Document) -> Document:
    """The payment method to charge: the named one, else what is stored, in Stripe's order."""
    named = read_text(call.params, "payment_method") or read_text(call.params, "source")
    return _usable_method(world, invoice, named) if named else stored_method(world, invoice)


def stored_method(world: StripeWorld, invoice: Document) -> Document:
    """The invoice's, the subscription's, or the customer's; at each of them a method goes before a source.

    Source: docs.stripe.com/api/invoices/object, `default_payment_method`. The 400 is as people report it.
    """
    for owner in _method_owners(world, invoice):
        for name in ("default_payment_method", "default_source"):
            if chosen := owner.get(name):
                return _usable_method(world, invoice, str(chosen))
    raise invalid_request(
        "There is no `default_payment_method` set on this Customer or Invoice. Please set a `default_payment_method`.",
        code="resource_missing",
    )


def _method_owners(world: StripeWorld, invoice: Document) -> list[Document]:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = world.store.get("subscription", details.get("subscription")) or {}
    customer = world.require_document("customer", invoice["customer"])
    settings = customer.get("invoice_settings") or {}
    return [invoice, subscription, settings, {"default_source": customer.get("default_source")}]


def _usable_method(world: StripeWorld, invoice: Document, method_id: str) -> Document:
    method = world.store.get("payment_method", method_id)
    if method is None:
        raise invalid_request(f"No such PaymentMethod: '{method_id}'", param="payment_method", code="resource_missing")
    if method["customer"] != invoice["customer"]:
        message = f"The customer does not have a payment method with the ID {method_id}."
        raise invalid_request(
            f"{message} The payment method must be attached to the customer.",
            param="payment_method",
            code="resource_missing",
        )
    return method


def _check_request(world: StripeWorld, call: StripeCall, invoice: Document) -> None:
    for name in ("forgive", "off_session", "paid_out_of_band"):
        read_boolean(call.params, name)
    if invoice["status"] == "paid" and not world.script_control(invoice["id"])["unguarded"]:
        raise invalid_request("Invoice is already paid")
    if invoice["status"] not in (*PAYABLE_STATUSES, "paid"):
        raise invalid_request(
            f"This invoice can't be paid: its status is {invoice['status']}.", code="invoice_not_editable"
        )


def _answer_refusal(
    world: StripeWorld, call: StripeCall, invoice: Document, method: Document, outcome: Outcome
) -> Answer:
    if outcome.effect is Effect.REQUIRES_ACTION:
        events = world.payments.require_action(invoice, method, call.key)
        error: Document = {"type": "card_error", "code": "invoice_payment_intent_requires_action"}
        error["message"] = ACTION_NEEDED
    else:
        decline = outcome.decline or Decline()
        events = world.payments.record_decline(invoice, method, decline, call.key)
        error = charges.payment_error(decline, _snapshot_of(events, "charge", call.shape)["id"], method)
    error["payment_intent"] = _snapshot_of(events, "payment_intent", call.shape)
    return _build_answer(world, call, 402, {"error": error}, events)


def _snapshot_of(events: Sequence[Document], kind: str, shape: Shape) -> Document:
    shown: Document = next(event["snapshots"][shape] for event in events if event["type"].startswith(f"{kind}."))
    return shown


def _answer_as_scripted(world: StripeWorld, call: StripeCall, events: Sequence[Document]) -> Answer:
    outcome = call.outcome or parse_outcome("succeed")
    if outcome.reply is Reply.TRUTH:
        return _answer_with_invoice(world, call, events)
    if outcome.reply is Reply.MALFORMED:
        return _build_answer(world, call, 200, {"object": "nonsense", "amount": "many"}, events)
    if outcome.reply is Reply.GARBAGE:
        return _build_answer(world, call, outcome.status, outcome.body, events)
    if outcome.reply is Reply.DROP:
        return _build_answer(world, call, 200, _show_invoice(world, call), events, drop=True)
    error = error_for_status(outcome.status, outcome.retry_after)
    if not events and outcome.status != 500:
        raise error
    return _build_answer(world, call, outcome.status, error.body, events)


def _show_invoice(world: StripeWorld, call: StripeCall) -> Document:
    invoice = world.require_document("invoice", call.names[0])
    return DocumentView(world.store, call.shape).show("invoice", invoice, call.params.get("expand", ()))


def _answer_with_invoice(world: StripeWorld, call: StripeCall, events: Sequence[Document]) -> Answer:
    return _build_answer(world, call, 200, _show_invoice(world, call), events)


def _build_answer(
    world: StripeWorld,
    call: StripeCall,
    status: int,
    body: Document | str,
    events: Sequence[Document],
    drop: bool = False,
) -> Answer:
    outcome = call.outcome.text if call.outcome else "paid_out_of_band"
    after = call.outcome.after if call.outcome else 0.0
    keep = not drop or bool(events)
    delivery = world.echo_delivery(call.names[0])
    return Answer(
        status, body, events=tuple(events), delivery=delivery, keep=keep, drop=drop, after=after, outcome=outcome
    )


def lock_timeout(invoice_id: str) -> StripeError:
    """Stripe's answer to two calls that want the same object at once."""
    return StripeError(
        429,
        type="invalid_request_error",
        code="lock_timeout",
        message=f"This object cannot be accessed right now because another API request is accessing it: {invoice_id}.",
    )
