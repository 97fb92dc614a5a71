"""Names that others see: task queues, the schedule, search attributes."""

from typing import Final

from temporalio.common import SearchAttributeKey

QUEUE: Final = "recovery"
SIMULATIONS: Final = "simulations"
"""Dry runs, one at a time in each worker, so that they never stand in the way of a recovery."""
RELAY_SCHEDULE: Final = "relay"
RELAY_WORKFLOW: Final = "relay"
TELL_SCHEDULE: Final = "tell"
TELL_WORKFLOW: Final = "tell"

STATE: Final = SearchAttributeKey.for_keyword("RecoveryState")
CATEGORY: Final = SearchAttributeKey.for_keyword("DeclineCategory")
SEGMENT: Final = SearchAttributeKey.for_keyword("Segment")
PROVIDER: Final = SearchAttributeKey.for_keyword("Provider")
CUSTOMER: Final = SearchAttributeKey.for_keyword("CustomerId")
NEXT_ATTEMPT: Final = SearchAttributeKey.for_datetime("NextAttemptAt")
SEARCH_ATTRIBUTES: Final = (STATE, CATEGORY, SEGMENT, PROVIDER, CUSTOMER, NEXT_ATTEMPT)


def charges(provider: str) -> str:
    """The paced task queue of everything that calls this provider."""
    return f"charges-{provider}"
