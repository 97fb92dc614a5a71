"""Whose claim an invoice is and how it is collected, as the invoice, its subscription and its customer say."""

from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from core.terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from providers.fields import Fields

Word = TypeVar("Word", bound=StrEnum)
EMPTY = Fields({})


def terms_of_invoice(invoice: Fields, subscription: Fields = EMPTY, customer: Fields = EMPTY) -> CollectionTerms:
    """The subscription rules what happens now, where it was read; what nobody says stays None."""
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
    """An invoice that was sent stays so, whatever its subscription is switched to afterwards."""
    said = {_parse_word(CollectionMethod, one.code("collection_method")) for one in (invoice, subscription)}
    found = (method for method in (CollectionMethod.SENT, CollectionMethod.AUTOMATIC) if method in said)
    return next(found, None)


def due_since(invoice: Fields) -> datetime | None:
    """When the invoice was finalised, or took effect, or was made: the first of these that it names."""
    finalized = invoice.child("status_transitions").unix_time("finalized_at")
    return finalized or invoice.unix_time("effective_at") or invoice.unix_time("created")


def _ends_at_period_end(subscription: Fields) -> bool:
    """Also at a date of its own, which the merchant chose."""
    return bool(subscription.flag("cancel_at_period_end") or subscription.unix_time("cancel_at"))


def _parse_word(words: type[Word], value: str | None) -> Word | None:
    """A word that Stripe adds one day is not known here, and speaks for nothing."""
    return words(value) if value in set(words) else None
