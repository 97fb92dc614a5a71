"""The customer's profile as far as the provider knows it."""

from datetime import datetime

from core.payments import FailureFacts
from core.segmentation.rules import CustomerProfile


def profile_of(facts: FailureFacts, now: datetime) -> CustomerProfile:
    """The profile from the provider's facts at `now`; the recovery counts are left unknown."""
    customer, created = facts.customer, facts.customer.created_at if facts.customer else None
    return CustomerProfile(
        invoice_amount=facts.invoice.amount_due or None,
        currency=facts.invoice.currency or None,
        recurring_revenue=facts.invoice.recurring_revenue,
        country=customer.country if customer else None,
        card_country=facts.card.country,
        time_zone=customer.time_zone if customer else None,
        tenure_days=max((now - created).days, 0) if created else None,
    )
