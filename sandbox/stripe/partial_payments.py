"""Invoices that are paid in parts, credited, or paid by debits that take days.

Sources: docs.stripe.com/invoicing/partial-payments, docs.stripe.com/api/invoices/attach_payment,
docs.stripe.com/api/credit_notes/object, docs.stripe.com/payments/ach-direct-debit (`processing`, then the result).
"""

from sandbox import models
from sandbox.models import Document
from sandbox.outcomes import Effect, parse_outcome
from sandbox.stripe import charges
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.payments import PAYABLE_STATUSES
from sandbox.stripe.world import StripeWorld


def record_partial_payment(
    world: StripeWorld, invoice_id: str, amount: int, status: str, method_id: str | None
) -> list[Document]:
    """A further payment of the invoice: `succeeded`, or left in any other status of a payment intent."""
    invoice = world.require_payable_invoice(invoice_id)
    if amount > invoice["amount_remaining"]:
        raise invalid_request("The amount is more than what remains of the invoice.", param="amount")
    method = world.require_document("payment_method", method_id) if method_id else _any_method(world, invoice)
    intent = world.payments.add_payment(invoice, amount=amount)
    if status == "succeeded":
        return _record_paid_part(world, invoice, intent, method)
    intent |= {"status": status, "payment_method": method["id"], "payment_method_types": [method["type"]]}
    if status in ("processing", "requires_capture"):
        charge = charges.build_pending_charge(intent, method, world.clock.now_for(world.store, invoice))
        intent["latest_charge"] = world.store.put("charge", charge)["id"]
    world.store.put("payment_intent", intent)
    name = "payment_intent.processing" if status == "processing" else "payment_intent.created"
    return world.payments.record_events([(name, "payment_intent", intent)])


def _record_paid_part(world: StripeWorld, invoice: Document, intent: Document, method: Document) -> list[Document]:
    """What the invoice's default payment still asks for is less by the part."""
    charge = world.store.put("charge", charges.build_charge(intent, method, world.clock.now_for(world.store, invoice)))
    events = world.payments.complete_payment(invoice, intent, charge, "part")
    _lower_intent_amount(world, invoice)
    return [*events, world.events.record("invoice.updated", "invoice", invoice["id"], _amounts_before(invoice, charge))]


def _amounts_before(invoice: Document, charge: Document) -> Document:
    amount = charge["amount"]
    return {
        "amount_paid": invoice["amount_paid"] - amount,
        "amount_remaining": invoice["amount_remaining"] + amount,
    }


def apply_intent_status(world: StripeWorld, invoice_id: str, status: str) -> list[Document]:
    """The invoice's default payment is put into a status, as the payer or a bank would."""
    intent = world.payments.next_intent(world.require_payable_invoice(invoice_id))
    world.store.put("payment_intent", intent | {"status": status})
    name = "payment_intent.processing" if status == "processing" else "payment_intent.canceled"
    return (
        world.payments.record_events([(name, "payment_intent", intent)]) if status in ("processing", "canceled") else []
    )


def finish_debit(world: StripeWorld, invoice_id: str, outcome: str) -> list[Document]:
    """The bank answers: the money comes (`succeed`) or not (`decline:insufficient_funds;network=R01`)."""
    invoice, chosen = world.require_document("invoice", invoice_id), parse_outcome(outcome)
    for link in world.store.find("invoice_payment", invoice=invoice_id):
        intent = world.require_document("payment_intent", link["payment"]["payment_intent"])
        if intent["status"] != "processing":
            continue
        method = world.require_document("payment_method", intent["payment_method"])
        if chosen.effect is Effect.DECLINE and chosen.decline:
            return world.payments.record_decline(invoice, method, chosen.decline, intent=intent)
        charge = world.require_document("charge", intent["latest_charge"]) | {"status": "succeeded", "paid": True}
        charge["amount_captured"] = charge["amount"]
        return world.payments.complete_payment(invoice, intent, world.store.put("charge", charge), "debit")
    raise invalid_request("No payment of this invoice is processing.")


def issue_credit_note(world: StripeWorld, invoice_id: str, amount: int) -> tuple[Document, list[Document]]:
    """A credit note of an open invoice: less remains to be paid; where nothing does, the invoice is paid."""
    invoice = world.require_payable_invoice(invoice_id)
    if not 0 < amount <= invoice["amount_remaining"]:
        raise invalid_request(
            "The amount of a credit note can't be more than what remains of the invoice.", param="amount"
        )
    before = {"amount_remaining": invoice["amount_remaining"]}
    note = world.store.put(
        "credit_note", _build_credit_note(invoice, amount, world.clock.now_for(world.store, invoice))
    )
    invoice["amount_remaining"] -= amount
    invoice["post_payment_credit_notes_amount"] += amount
    done = world.payments.close_when_paid(invoice)
    _lower_intent_amount(world, invoice)
    events = [world.events.record("credit_note.created", "credit_note", note["id"])]
    events.append(world.events.record("invoice.updated", "invoice", invoice_id, before))
    return note, events + (world.payments.record_events([("invoice.paid", "invoice", invoice)]) if done else [])


def refund_charge(world: StripeWorld, invoice_id: str, amount: int | None) -> list[Document]:
    """Money of the latest successful charge goes back."""
    paid = [line for line in world.store.read_rows("ledger", invoice_id)]
    if not paid:
        raise invalid_request("This invoice has no successful charge.")
    charge = world.require_document("charge", paid[-1]["charge"])
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    total = charge["amount_refunded"] + (amount or charge["amount"] - charge["amount_refunded"])
    if total > charge["amount"]:
        raise invalid_request(
            "Refund amount is greater than unrefunded amount on charge.", code="charge_already_refunded"
        )
    world.store.put("charge", charge | {"amount_refunded": total, "refunded": total == charge["amount"]})
    made = world.store.put("refund", _build_refund(charge, total - charge["amount_refunded"], world.clock.now()))
    created = world.events.record("refund.created", "refund", made["id"])
    return [created, world.events.record("charge.refunded", "charge", charge["id"], before)]


def _build_refund(charge: Document, amount: int, now: int) -> Document:
    return {
        "id": models.new_object_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "status": "succeeded",
    }


def _build_credit_note(invoice: Document, amount: int, now: int) -> Document:
    return {
        "id": models.new_object_id("cn"),
        "object": "credit_note",
        "amount": amount,
        "created": now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "invoice": invoice["id"],
        "livemode": invoice["livemode"],
        "status": "issued",
        "total": amount,
        "type": "pre_payment",
    }


def _lower_intent_amount(world: StripeWorld, invoice: Document) -> None:
    intent = world.payments.next_intent(invoice) if invoice["status"] in PAYABLE_STATUSES else None
    if intent:
        world.store.put("payment_intent", intent | {"amount": invoice["amount_remaining"]})


def _any_method(world: StripeWorld, invoice: Document) -> Document:
    found = world.store.find("payment_method", customer=invoice["customer"])
    if not found:
        raise invalid_request("The customer has no payment method.", param="payment_method")
    return found[0]
