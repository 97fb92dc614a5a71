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


def shown_subscription(invoice: Fields) -> Fields:
    """The subscription itself, where it was expanded."""
    details = invoice.child("parent").child("subscription_details")
    return details.expanded("subscription") or invoice.expanded("subscription")


def remaining(invoice: Fields) -> int | None:
    """What is still to be paid; partial payments make it less than what was due."""
    left = invoice.whole("amount_remaining")
    return invoice.whole("amount_due") if left is None else left


def link_of(invoice: Fields, payments: tuple[Fields, ...] | None = None) -> Link:
    """The payment that matters of several: the one that paid the invoice, else the open one, the default first.

    An invoice of the older shape names its default itself.

    Without `payments` what the invoice itself tells; empty where it tells nothing.
    """
    status, named = invoice.code("status"), Link(invoice.id("payment_intent"), invoice.id("charge"))
    listed = _chosen(invoice.items("payments") if payments is None else payments, status)
    return listed or named if status == "paid" else named or listed


def link_to(payment: Fields) -> Link:
    """What one payment of an invoice was made with."""
    made_with = payment.child("payment")
    return Link(made_with.id("payment_intent"), made_with.id("charge"))


def _chosen(payments: tuple[Fields, ...], status: str | None) -> Link:
    wanted = "paid" if status == "paid" else "open"

    def rank(payment: Fields) -> tuple[bool, bool, int]:
        return payment.code("status") == wanted, bool(payment.flag("is_default")), payment.whole("created") or 0

    return link_to(max(payments, key=rank, default=Fields({})))


MONTH_SECONDS: Final = 30 * 86_400


def recurring(invoice: Fields) -> int | None:
    """What its subscription lines come to in 30 days, minor units, prorations left out; None where there are none."""
    lines = Fields(invoice.raw, lenient=True).child("lines").items("data")
    amounts = [amount for line in lines if _repeats(line) and (amount := _monthly(line)) is not None]
    return sum(amounts) if amounts else None


def _repeats(line: Fields) -> bool:
    item = line.child("parent").child("subscription_item_details")
    prorated = item.flag("proration") or line.flag("proration")
    return bool(item or line.code("type") == "subscription") and not prorated


def _monthly(line: Fields) -> int | None:
    amount, period = line.whole("amount"), line.child("period")
    begins, ends = period.whole("start"), period.whole("end")
    if amount is None or begins is None or ends is None or ends <= begins:
        return None
    return amount * MONTH_SECONDS // (ends - begins)
