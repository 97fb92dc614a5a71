"""What reading an invoice tells of an order whose answer was lost. Pure: the reading itself is done elsewhere."""

from datetime import datetime, timedelta
from typing import Final

from core.payments import Card, ChargeOrder, ChargeResult
from providers.fields import Fields
from providers.results import declined, not_charged, succeeded, unknown
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent
from providers.stripe.cards import card_of_charge, card_of_error, cards_merged
from providers.stripe.payments import Payment

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far Stripe's clock, which counts whole seconds, may be behind ours."""
GIVEN_UP: Final = timedelta(hours=24)
"""An order of this age that left no trace was never executed, and Stripe has forgotten its key."""


def settled(order: ChargeOrder, invoice: Fields, payment: Payment, now: datetime) -> ChargeResult:
    """The order's outcome; UNKNOWN where reading can't tell. Raises Unfit."""
    charge = payment.charge
    if invoice.code("status") == "paid":
        return succeeded(charge.id("id") if charge.code("status") == "succeeded" else None)
    if payment.processing:
        return unknown("processing")
    if is_fresh(order, charge):
        return _by_charge(order, payment)
    if invoice.code("status") == "void":
        return not_charged("invoice_not_payable")
    return not_charged("no_trace") if now - order.requested_at >= GIVEN_UP else unknown("not_settled")


def is_fresh(order: ChargeOrder, charge: Fields) -> bool:
    """Whether a charge came after the order: one that the invoice didn't have yet, made since."""
    charge_id, created = charge.id("id"), charge.moment("created")
    if charge_id is None or charge_id == order.charge_before:
        return False
    return created is not None and created >= order.requested_at - CLOCK_SKEW


def part_since(order: ChargeOrder, invoice: Fields) -> int | None:
    """What payments of this invoice brought since the order, where the invoice is still open: a part of it.

    Source: docs.stripe.com/api/invoice-payment/object, `amount_paid` and `status_transitions.paid_at`.
    """
    listed = Fields(invoice.raw, invoice.path, lenient=True).items("payments")
    since = order.requested_at - CLOCK_SKEW
    paid = [(one.child("status_transitions").moment("paid_at"), one.whole("amount_paid") or 0) for one in listed]
    return sum(amount for at, amount in paid if at and at >= since) or None


def decline_of(payment: Payment) -> ChargeResult:
    """The decline that a payment shows."""
    error = payment.intent.child("last_payment_error")
    card = cards_merged(card_of_charge(payment.charge), card_of_error(error))
    card = cards_merged(card, Card(kind=kind_of_intent(payment.intent)))
    return declined(failures.of_payment(payment.intent, payment.charge), card)


def _by_charge(order: ChargeOrder, payment: Payment) -> ChargeResult:
    """A smaller success than ordered is a part payment by somebody else, which settles nothing."""
    status = payment.charge.code("status")
    if status == "failed":
        return decline_of(payment)
    if status == "succeeded" and (payment.charge.whole("amount") or 0) >= order.amount:
        return succeeded(payment.charge.id("id"))
    return unknown("not_settled")
