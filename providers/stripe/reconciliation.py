"""Reconciles an order whose answer was lost, from the invoice and payment as read. Pure: the gateway reads them."""

from datetime import datetime, timedelta
from typing import Final

from core.payments import Card, ChargeOrder, ChargeResult
from providers.base import (
    declined_result,
    no_attempt_result,
    not_charged_result,
    succeeded_result,
    unknown_result,
)
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent
from providers.stripe.cards import card_of_charge, card_of_error, merge_cards
from providers.stripe.payments import Payment

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far Stripe's clock, which counts whole seconds, may be behind ours."""
NO_TRACE_AFTER: Final = timedelta(hours=24)
"""Age of an order after which a missing charge means that it was never executed.

Nothing is repeated any more then: the gateway stops at 23 hours, and Stripe may forget a key after 24
(docs.stripe.com/api/idempotent_requests).
"""


def reconcile_by_payment(order: ChargeOrder, invoice: Fields, payment: Payment, now: datetime) -> ChargeResult:
    """The order's outcome; UNKNOWN if reading can't tell. Raises InvalidField for a field of an undocumented form."""
    charge = payment.charge
    # A paid invoice ends the recovery whoever paid it: asking whose charge it was would only risk a second one.
    if invoice.code("status") == "paid":
        return succeeded_result(charge.id("id") if charge.code("status") == "succeeded" else None)
    # Before the age: a debit may be pending for days, which is no missing trace.
    if payment.is_processing:
        return unknown_result("processing")
    if is_newer_charge(order, charge):
        return _reconcile_by_charge(order, payment)
    if invoice.code("status") == "void":
        return not_charged_result("invoice_not_payable")
    aged = now - order.requested_at >= NO_TRACE_AFTER
    return not_charged_result("no_trace") if aged else no_attempt_result("not_settled")


def is_newer_charge(order: ChargeOrder, charge: Fields) -> bool:
    """Whether a charge came after the order: created since, and not the latest charge that the order already knew."""
    charge_id, created = charge.id("id"), charge.unix_time("created")
    # Both are needed: the time alone could match a charge of the second before, the id alone an old one.
    if charge_id is None or charge_id == order.charge_before:
        return False
    return created is not None and created >= order.requested_at - CLOCK_SKEW


def amount_paid_since(order: ChargeOrder, invoice: Fields) -> int | None:
    """What payments brought since the order while the invoice is still open, in minor units; None if nothing.

    Source: docs.stripe.com/api/invoice-payment/object, `amount_paid` and `status_transitions.paid_at`.
    """
    listed = invoice.leniently().items("payments")
    since = order.requested_at - CLOCK_SKEW
    paid = [(one.child("status_transitions").unix_time("paid_at"), one.integer("amount_paid") or 0) for one in listed]
    return sum(amount for at, amount in paid if at and at >= since) or None


def decline_of(payment: Payment) -> ChargeResult:
    """The decline that a payment shows, with its card; a payment that waits for the customer counts as one."""
    error = payment.intent.child("last_payment_error")
    card = merge_cards(card_of_charge(payment.charge), card_of_error(error))
    card = merge_cards(card, Card(kind=kind_of_intent(payment.intent)))
    return declined_result(failures.failure_of_payment(payment.intent, payment.charge), card)


def _reconcile_by_charge(order: ChargeOrder, payment: Payment) -> ChargeResult:
    """The outcome by a charge newer than the order, on an invoice that isn't paid.

    A success below the ordered amount is another payment of the invoice, so the order stays UNKNOWN.
    """
    status = payment.charge.code("status")
    if status == "failed":
        return decline_of(payment)
    if status == "succeeded" and (payment.charge.integer("amount") or 0) >= order.amount:
        return succeeded_result(payment.charge.id("id"))
    return unknown_result("not_settled")  # not reconciled yet; logs hold this word
