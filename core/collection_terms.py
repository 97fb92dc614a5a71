"""Whose claim an invoice is and how it is to be collected, in the providers' common words."""

from datetime import datetime
from enum import StrEnum

from core.base import Value


class CollectionMethod(StrEnum):
    """How an invoice is meant to be collected."""

    AUTOMATIC = "charge_automatically"
    SENT = "send_invoice"


class SubscriptionStatus(StrEnum):
    """Where a subscription stands, in Stripe's words, which the field uses."""

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for good."""
        return self in {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}


class CollectionTerms(Value):
    """Whose claim it is and how it is to be collected, as far as the provider tells; None: it doesn't say."""

    collection_method: CollectionMethod | None = None
    """Of the subscription where there is one (it rules what happens now), else of the invoice."""
    billing_reason: str | None = None
    """Why the invoice was made, in the provider's word: `subscription_create`, `manual` …"""
    application: str | None = None
    """Another application that made the invoice and collects it."""
    shopper_present: bool | None = None
    """Whether the payer was there and paid by their own hand: a checkout, not a merchant's charge."""
    subscription_status: SubscriptionStatus | None = None
    collection_paused: bool | None = None
    """The merchant paused the collection of this subscription."""
    ends_at_period_end: bool | None = None
    """The subscription ends with its period; what is owed until then stays owed."""
    customer_deleted: bool | None = None
    created_at: datetime | None = None
    """When the invoice became due for payment: finalised, or made where it has no such moment. On our clock."""
