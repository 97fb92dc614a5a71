"""Whose clock counts: ours. An event of a test clock, or of a sender whose clock runs ahead, happened when it came."""

from datetime import datetime, timedelta
from typing import Final

from core.payments import ProviderEvent
from core.terms import CollectionTerms

MOST_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may run ahead; within that its own order of events is worth more than ours."""


def shift_to_arrival(event: ProviderEvent, now: datetime) -> ProviderEvent:
    """The event with its times moved to our time line, all by as much, where its own line is another.

    So a delay counts from the arrival, and no recovery sleeps until next year or opens behind its own window.
    """
    if not event.simulated and event.occurred_at <= now + MOST_CLOCK_SKEW:
        return event
    shift = now - event.occurred_at
    moved = {
        "occurred_at": now,
        "next_provider_attempt": _shift_time(event.next_provider_attempt, shift),
        "terms": event.terms and _shift_terms(event.terms, shift),
    }
    return event.model_copy(update=moved)


def _shift_time(moment: datetime | None, shift: timedelta) -> datetime | None:
    return moment + shift if moment else None


def _shift_terms(terms: CollectionTerms, shift: timedelta) -> CollectionTerms:
    return terms.model_copy(update={"created_at": _shift_time(terms.created_at, shift)})
