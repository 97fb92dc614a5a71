"""Names that others see: task queues, the schedule, search attributes."""

from typing import Final

from temporalio.common import SearchAttributeKey

RECOVERY_QUEUE: Final = "recovery"
SIMULATION_QUEUE: Final = "simulations"
"""Dry runs, one at a time in each worker, so that they never stand in the way of a recovery."""
RELAY_SCHEDULE: Final = "relay"
RELAY_WORKFLOW: Final = "relay"
NOTICE_SCHEDULE: Final = "tell"
NOTICE_WORKFLOW: Final = "tell"

STATE_ATTRIBUTE: Final = SearchAttributeKey.for_keyword("RecoveryState")
CATEGORY_ATTRIBUTE: Final = SearchAttributeKey.for_keyword("DeclineCategory")
SEGMENT_ATTRIBUTE: Final = SearchAttributeKey.for_keyword("Segment")
PROVIDER_ATTRIBUTE: Final = SearchAttributeKey.for_keyword("Provider")
CUSTOMER_ATTRIBUTE: Final = SearchAttributeKey.for_keyword("CustomerId")
NEXT_ATTEMPT_ATTRIBUTE: Final = SearchAttributeKey.for_datetime("NextAttemptAt")
SEARCH_ATTRIBUTES: Final = (
    STATE_ATTRIBUTE,
    CATEGORY_ATTRIBUTE,
    SEGMENT_ATTRIBUTE,
    PROVIDER_ATTRIBUTE,
    CUSTOMER_ATTRIBUTE,
    NEXT_ATTEMPT_ATTRIBUTE,
)


def charge_queue(provider: str) -> str:
    """The paced task queue of everything that calls this provider."""
    return f"charges-{provider}"
