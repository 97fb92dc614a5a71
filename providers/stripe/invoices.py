"""Where an invoice keeps its fields, before API version 2025-03-31 ("basil") and since. Both shapes arrive as webhooks.

Source: docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
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
    """What is still to be paid, minor units: `amount_remaining`, since `amount_due` ignores partial payments."""
    left = invoice.integer("amount_remaining")
    return invoice.integer("amount_due") if left is None else left


def link_of(invoice: Fields, payments: tuple[Fields, ...] | None = None) -> Link:
    """The payment that decides about the invoice: the one that paid it, else the open one, the default first.

    `payments` are all payments as read; without them, those in the invoice itself. An invoice of the older shape names
    its default payment itself. Empty if nothing names a payment.
    """
    status, named = invoice.code("status"), Link(invoice.id("payment_intent"), invoice.id("charge"))
    listed = _choose_payment(invoice.items("payments") if payments is None else payments, status)
    return listed or named if status == "paid" else named or listed


def link_to(payment: Fields) -> Link:
    """The intent or charge of one invoice payment."""
    made_with = payment.child("payment")
    return Link(made_with.id("payment_intent"), made_with.id("charge"))


def _choose_payment(payments: tuple[Fields, ...], status: str | None) -> Link:
    wanted = "paid" if status == "paid" else "open"

    def rank_payment(payment: Fields) -> tuple[bool, bool, int]:
        return payment.code("status") == wanted, bool(payment.flag("is_default")), payment.integer("created") or 0

    return link_to(max(payments, key=rank_payment, default=Fields({})))


MONTH_SECONDS: Final = 30 * 86_400


def recurring_revenue(invoice: Fields) -> int | None:
    """What its subscription lines come to in 30 days, minor units, without prorations; None if there are none."""
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


Word = TypeVar("Word", bound=StrEnum)
EMPTY = Fields({})


def terms_of_invoice(invoice: Fields, subscription: Fields = EMPTY, customer: Fields = EMPTY) -> CollectionTerms:
    """The collection terms as far as invoice, subscription and customer were read; unknown ones are None.

    Raises InvalidField, unless the objects are lenient.
    """
    return CollectionTerms(
        collection_method=_collection_method(invoice, subscription),
        billing_reason=invoice.code("billing_reason"),
        application=invoice.id("application") or subscription.id("application"),
        subscription_status=_parse_word(SubscriptionStatus, subscription.code("status")),
        collection_paused=bool(subscription.child("pause_collection")) if subscription else None,
        ends_at_period_end=_ends_at_period_end(subscription) if subscription else None,
        customer_deleted=(customer.flag("deleted") or False) if customer else None,
        created_at=due_since(invoice),
    )


def _collection_method(invoice: Fields, subscription: Fields) -> CollectionMethod | None:
    """SENT if the invoice or its subscription says so, else AUTOMATIC if either does.

    An invoice that was sent is paid by the customer, even if its subscription is charged automatically from now on.
    """
    said = {_parse_word(CollectionMethod, one.code("collection_method")) for one in (invoice, subscription)}
    found = (method for method in (CollectionMethod.SENT, CollectionMethod.AUTOMATIC) if method in said)
    return next(found, None)


def due_since(invoice: Fields) -> datetime | None:
    """When the invoice was finalised, or took effect, or was created: the first of these that it names."""
    finalized = invoice.child("status_transitions").unix_time("finalized_at")
    return finalized or invoice.unix_time("effective_at") or invoice.unix_time("created")


def _ends_at_period_end(subscription: Fields) -> bool:
    """Whether it ends at the end of its period, or at a date that the merchant set (`cancel_at`)."""
    return bool(subscription.flag("cancel_at_period_end") or subscription.unix_time("cancel_at"))


def _parse_word(words: type[Word], value: str | None) -> Word | None:
    """The enum's member; None for a value that Stripe added later."""
    return words(value) if value and value in words.__members__.values() else None
