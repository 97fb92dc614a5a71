"""Activity time-outs and retry policies. They handle infrastructure failures; the plan decides when to charge."""

from datetime import timedelta
from typing import Final

from temporalio.common import Priority, RetryPolicy, SearchAttributeKey
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

RECOVERY_QUEUE: Final = "recovery"
SIMULATION_QUEUE: Final = "simulations"
"""Dry runs, one at a time in each worker, so that they never stand in the way of a recovery."""
RELAY_SCHEDULE: Final = "relay"
RELAY_WORKFLOW: Final = "relay"
# Both are called `tell`, as the workflow is called `Tell`: under these names schedules run since earlier releases.
NOTICE_SCHEDULE: Final = "tell"
NOTICE_WORKFLOW: Final = "tell"

RETENTION_SCHEDULE: Final = "retention"
RETENTION_WORKFLOW: Final = "retention"

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


MOST_CACHED: Final = 1_000
"""Workflows that a worker keeps in memory between their tasks; any other is replayed when something happens to it."""


def charge_queue(provider: str) -> str:
    """The paced task queue of everything that calls this provider."""
    return f"charges-{provider}"


LOCAL: Final = LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=2),
    schedule_to_close_timeout=timedelta(seconds=2),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3),
)
"""Decisions and rows: quick, or handed to the server so that an outage of the database never blocks signals."""

STORE: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=15)),
)
"""The same work when the database was away: until it is back."""

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=8)
"""Silence after which a worker counts as dead; activities send a heartbeat every two seconds. With the first retry
after a second, work of a killed worker goes on elsewhere within ten seconds."""
HEARTBEAT_THROTTLE: Final = timedelta(seconds=2)
"""How often a worker passes heartbeats on. By default the SDK waits for four fifths of the time-out, and a busy worker
would count as dead soon."""


LONGEST_CALL: Final = timedelta(seconds=90)
"""What one execution of a charge, or of another call to a provider, may take: more than its time-outs together."""

LONGEST_MESSAGE: Final = timedelta(seconds=60)
"""The same for a message to a customer."""

GRACE: Final = max(LONGEST_CALL, LONGEST_MESSAGE)
"""What a worker that is asked to stop waits for at most: nothing that may not be done twice is broken off.

Whoever kills it must wait longer (`stop_grace_period` in docker-compose.yml, `devstack.programs`)."""


AWAITED_CHARGE: Final = Priority(priority_key=1)
"""A charge that somebody has just asked for, and waits for."""
CHARGE: Final = Priority(priority_key=2)
"""A charge that is due, and finding out what became of one."""
READ: Final = Priority(priority_key=3)
"""Any other call to a provider: it takes what charges leave of the pace. Temporal's default, which older runs have."""


def provider_call_options(name: str, summary: str, priority: Priority = CHARGE) -> ActivityConfig:
    """A call to a provider, on its own paced queue. After it the workflow listens to people before it goes on."""
    return ActivityConfig(
        task_queue=charge_queue(name),
        summary=summary,
        start_to_close_timeout=LONGEST_CALL,
        schedule_to_close_timeout=timedelta(minutes=5),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
        priority=priority,
    )


def provider_read_options(name: str, summary: str) -> ActivityConfig:
    """A read, which waits while charges take the whole pace: an hour of them at most, 72,000 at 20 a second.

    A provider that is away is given up after as many tries as fit into the five minutes of a charge.
    """
    waiting = ActivityConfig(
        schedule_to_close_timeout=timedelta(hours=1),
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=15),
    )
    return provider_call_options(name, summary, READ) | waiting


def message_options(summary: str) -> ActivityConfig:
    """One message to a customer; the activity counts its tries, and says itself how long a refused one waits.

    A recovery that is over waits an hour at most.
    """
    return ActivityConfig(
        summary=summary,
        start_to_close_timeout=LONGEST_MESSAGE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        schedule_to_close_timeout=timedelta(hours=1),
        retry_policy=RetryPolicy(backoff_coefficient=4, maximum_interval=timedelta(minutes=2)),
    )


RELAY: Final = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=3),
)

SIMULATE: Final = ActivityConfig(
    task_queue=SIMULATION_QUEUE,
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=5),
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""A whole dry run. Where its worker dies it begins anew: the same order gives the same result."""


HAND_OVER: Final = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=4),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=2),
)

RETENTION: Final = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=3),
)
"""A pass over what became too old since the last one; the first on a large database goes on in the next hour."""

POST_WEBHOOK: Final = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    schedule_to_close_timeout=timedelta(days=3),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=5), backoff_coefficient=3, maximum_interval=timedelta(hours=6)
    ),
)
"""The times that the Standard Webhooks document proposes, roughly: seconds, then minutes, then hours."""
