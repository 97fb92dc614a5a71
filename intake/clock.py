"""Whose clock counts: ours. An event of a test clock, or of a sender whose clock runs ahead, happened when it came."""

from datetime import datetime, timedelta
from typing import Final

from core.payments import ProviderEvent
from core.terms import CollectionTerms

SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may run ahead; within that its own order of events is worth more than ours."""


def on_our_clock(event: ProviderEvent, now: datetime) -> ProviderEvent:
    """The event with its times moved to our time line, all by as much, where its own line is another.

    So a delay counts from the arrival, and no recovery sleeps until next year or opens behind its own window.
    """
    if not event.simulated and event.occurred_at <= now + SKEW:
        return event
    shift = now - event.occurred_at
    moved = {
        "occurred_at": now,
        "next_provider_attempt": _moved(event.next_provider_attempt, shift),
        "terms": event.terms and _terms_moved(event.terms, shift),
    }
    return event.model_copy(update=moved)


def _moved(moment: datetime | None, shift: timedelta) -> datetime | None:
    return moment + shift if moment else None


def _terms_moved(terms: CollectionTerms, shift: timedelta) -> CollectionTerms:
    return terms.model_copy(update={"created_at": _moved(terms.created_at, shift)})
