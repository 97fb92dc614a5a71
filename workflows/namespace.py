"""What the namespace must hold: the schedules of relay, notices and retention, and our search attributes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import DeliverNoticesInput, RelayInput, RetentionInput
from workflows.options import (
    NOTICE_SCHEDULE,
    NOTICE_WORKFLOW,
    RECOVERY_QUEUE,
    RELAY_SCHEDULE,
    RELAY_WORKFLOW,
    RETENTION_SCHEDULE,
    RETENTION_WORKFLOW,
    SEARCH_ATTRIBUTES,
)

RELAY_EVERY: Final = timedelta(seconds=10)
NOTICES_EVERY: Final = timedelta(seconds=10)
RETENTION_EVERY: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(seconds=10)


@asynccontextmanager
async def kept_schedules(client: Client, *, notices: bool, every: timedelta = LOOK_EVERY) -> AsyncIterator[None]:
    """The schedules are there, and are created again during the block if Temporal loses its data.

    Without the relay's, nothing would begin the open recoveries anew. Where schedules are new, search attributes are
    registered, too, if the server allows it. Raises RPCError if the schedules can't be created now.
    """
    new = await _ensure_schedules(client, notices)
    keeping = asyncio.create_task(_keep_schedules(client, notices, every, new))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep_schedules(client: Client, notices: bool, every: timedelta, new: bool) -> None:
    while True:
        try:
            if new:
                # Runs that were told of search attributes a moment ago can't go on without them.
                await register_attributes(client)
            await asyncio.sleep(every.total_seconds())
            if new := await _ensure_schedules(client, notices):
                structlog.get_logger("worker").warning("Temporal had lost its schedules: they are created again")
        except RPCError as error:
            new = new and error.status is RPCStatusCode.UNAVAILABLE  # else they aren't ours to register
            await asyncio.sleep(every.total_seconds())


async def _ensure_schedules(client: Client, notices: bool) -> bool:
    """Whether one had to be created."""
    made = [await _ensure_relay_schedule(client), await _ensure_retention_schedule(client)]
    if notices:
        made.append(await _ensure_notice_schedule(client))
    return any(made)


async def _ensure_relay_schedule(client: Client) -> bool:
    """Create the schedule, unless it is there: an operator may have changed it. Whether it is new. Raises RPCError."""
    action = ScheduleActionStartWorkflow(
        "Relay",
        RelayInput(),
        id=RELAY_WORKFLOW,
        task_queue=RECOVERY_QUEUE,
        static_summary="deliver what the inbox still holds",
    )
    return await _ensure_schedule(client, RELAY_SCHEDULE, action, RELAY_EVERY)


async def _ensure_notice_schedule(client: Client) -> bool:
    """The same for the schedule that serves operators and outgoing webhooks."""
    summary = "tell operators and other systems"
    action = ScheduleActionStartWorkflow(
        "Tell", DeliverNoticesInput(), id=NOTICE_WORKFLOW, task_queue=RECOVERY_QUEUE, static_summary=summary
    )
    return await _ensure_schedule(client, NOTICE_SCHEDULE, action, NOTICES_EVERY)


async def _ensure_retention_schedule(client: Client) -> bool:
    """As that of the relay, for blanking what is older than it is kept."""
    summary = "blank what is older than it is kept"
    action = ScheduleActionStartWorkflow(
        "Retention", RetentionInput(), id=RETENTION_WORKFLOW, task_queue=RECOVERY_QUEUE, static_summary=summary
    )
    return await _ensure_schedule(client, RETENTION_SCHEDULE, action, RETENTION_EVERY)


async def _ensure_schedule(client: Client, name: str, action: ScheduleActionStartWorkflow, every: timedelta) -> bool:
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=timedelta(minutes=1))
    try:
        await client.create_schedule(name, Schedule(action=action, spec=spec, policy=policy))
    except ScheduleAlreadyRunningError:
        return False
    return True


FRESH_SECONDS = 60.0
_TYPES = {
    SearchAttributeIndexedValueType.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SearchAttributeIndexedValueType.DATETIME: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


async def registered_attributes(client: Client) -> frozenset[str]:
    """Those of ours that the namespace knows. Raises RPCError where it can't be asked."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return frozenset(key.name for key in SEARCH_ATTRIBUTES if key.name in answer.custom_attributes)


def missing_attributes(known: Iterable[str]) -> tuple[str, ...]:
    """Those of ours that are not there."""
    found = set(known)
    return tuple(key.name for key in SEARCH_ATTRIBUTES if key.name not in found)


async def register_attributes(client: Client) -> tuple[str, ...]:
    """Register what is missing; the names that were added. Raises RPCError where that isn't allowed."""
    wanted = set(missing_attributes(await registered_attributes(client)))
    types = {key.name: _TYPES[key.indexed_value_type] for key in SEARCH_ATTRIBUTES if key.name in wanted}
    if types:
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=types)
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
    return tuple(sorted(types))


class SearchableNames:
    """What the namespace knows, asked at most once a minute; nothing where it can't be asked (Temporal Cloud)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = float("-inf")
        self._names: tuple[str, ...] = ()
        self._asking = asyncio.Lock()

    async def __call__(self) -> tuple[str, ...]:
        # Whoever comes while the first one asks waits for the same answer: recoveries that open together would find
        # no names yet, and keep none for as long as they run.
        async with self._asking:
            if time.monotonic() - self._asked > FRESH_SECONDS:
                try:
                    self._names = tuple(sorted(await registered_attributes(self._client)))
                except RPCError:
                    self._names = ()
                self._asked = time.monotonic()
        return self._names
