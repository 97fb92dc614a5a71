"""Where a customer lives, from the newest that is known."""

from core.payments import FailureFacts
from core.retry.recovery import Recovery


def customer_location(recovery: Recovery, facts: FailureFacts) -> tuple[str | None, str | None]:
    """Country (ISO 3166) and time zone. A charge's own answer doesn't repeat them: then what the profile said counts,
    and of a country, last, the card's.
    """
    customer = facts.customer
    country = (customer.country if customer else None) or recovery.country or facts.card.country
    return country, (customer.time_zone if customer else None) or recovery.time_zone
