"""Who collects an invoice and how, in terms common to the providers."""

from datetime import datetime
from enum import StrEnum

from core.base import Value
from core.redaction.types import FreeText


class CollectionMethod(StrEnum):
    """How an invoice is meant to be collected."""

    AUTOMATIC = "charge_automatically"
    SENT = "send_invoice"


class SubscriptionStatus(StrEnum):
    """Status of a subscription, by the names that Stripe uses."""

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
        """Whether it has ended and can't become active again."""
        return self in {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}


class CollectionTerms(Value):
    """Who collects an invoice and how, as far as the provider says; None: it doesn't say."""

    collection_method: CollectionMethod | None = None
    """SENT if the invoice or its subscription is paid by the customer, AUTOMATIC if it is charged."""
    billing_reason: FreeText | None = None
    """Why the invoice was created, as the provider names it: `subscription_create`, `manual` …"""
    application: str | None = None
    """The id of another application that created the invoice and collects it."""
    shopper_present: bool | None = None
    """Whether the payer was present, as at a checkout; false for a merchant-initiated charge."""
    subscription_status: SubscriptionStatus | None = None
    collection_paused: bool | None = None
    """Whether the merchant paused the collection of this subscription."""
    ends_at_period_end: bool | None = None
    """Whether the subscription ends with its period; what is owed until then stays owed."""
    customer_deleted: bool | None = None
    created_at: datetime | None = None
    """When the invoice became due for payment: finalised, or else created. In real time, also of a test clock."""
