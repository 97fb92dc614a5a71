"""Where things sit in an invoice: before API version 2025-03-31 ("basil") and since. Both arrive, and both are read.

Source: docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices.
"""

from dataclasses import dataclass
from typing import Final

from providers.fields import Fields


@dataclass(frozen=True)
class Link:
    """The payment that belongs to an invoice: an intent, or a bare charge where there is no intent."""

    intent_id: str | None = None
    charge_id: str | None = None

    def __bool__(self) -> bool:
        return bool(self.intent_id or self.charge_id)


def subscription_of(invoice: Fields) -> str | None:
    """The subscription that made the invoice."""
    details = invoice.child("parent").child("subscription_details")
    return details.id("subscription") or invoice.id("subscription")


def expanded_subscription(invoice: Fields) -> Fields:
    """The subscription itself, where it was expanded."""
    details = invoice.child("parent").child("subscription_details")
    return details.expanded_object("subscription") or invoice.expanded_object("subscription")


def amount_remaining(invoice: Fields) -> int | None:
    """What is still to be paid; partial payments make it less than what was due."""
    left = invoice.integer("amount_remaining")
    return invoice.integer("amount_due") if left is None else left


def link_of(invoice: Fields, payments: tuple[Fields, ...] | None = None) -> Link:
    """The payment that matters of several: the one that paid the invoice, else the open one, the default first.

    An invoice of the older shape names its default itself.

    Without `payments` what the invoice itself tells; empty where it tells nothing.
    """
    status, named = invoice.code("status"), Link(invoice.id("payment_intent"), invoice.id("charge"))
    listed = _choose_payment(invoice.items("payments") if payments is None else payments, status)
    return listed or named if status == "paid" else named or listed


def link_to(payment: Fields) -> Link:
    """What one payment of an invoice was made with."""
    made_with = payment.child("payment")
    return Link(made_with.id("payment_intent"), made_with.id("charge"))


def _choose_payment(payments: tuple[Fields, ...], status: str | None) -> Link:
    wanted = "paid" if status == "paid" else "open"

    def rank_payment(payment: Fields) -> tuple[bool, bool, int]:
        return payment.code("status") == wanted, bool(payment.flag("is_default")), payment.integer("created") or 0

    return link_to(max(payments, key=rank_payment, default=Fields({})))


MONTH_SECONDS: Final = 30 * 86_400


def recurring_revenue(invoice: Fields) -> int | None:
    """What its subscription lines come to in 30 days, minor units, prorations left out; None where there are none."""
    lines = Fields(invoice.raw, lenient=True).child("lines").items("data")
    amounts = [amount for line in lines if _is_recurring(line) and (amount := _monthly_amount(line)) is not None]
    return sum(amounts) if amounts else None


def _is_recurring(line: Fields) -> bool:
    item = line.child("parent").child("subscription_item_details")
    prorated = item.flag("proration") or line.flag("proration")
    return bool(item or line.code("type") == "subscription") and not prorated


def _monthly_amount(line: Fields) -> int | None:
    amount, period = line.integer("amount"), line.child("period")
    begins, ends = period.integer("start"), period.integer("end")
    if amount is None or begins is None or ends is None or ends <= begins:
        return None
    return amount * MONTH_SECONDS // (ends - begins)
