"""Live updates of pages: a stream of server-sent events with the parts that changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fastapi.sse import ServerSentEvent

from api.admin.sessions import Person
from api.admin.stored_sessions import is_open
from api.deps import Parts

LOOK_INTERVAL: Final = timedelta(seconds=1)
LONGEST_STREAM: Final = timedelta(minutes=15)
"""Limit of one stream, so that a forgotten page does not hold a connection; the browser reconnects by itself."""


@dataclass(frozen=True)
class PageSnapshot:
    """The state of a page at one moment."""

    mark: object
    """Differs from that of the previous snapshot if something changed."""
    is_final: bool = False
    """Whether nothing can change any more."""
    parts: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """Functions that render the content of an element, by its id; called only if the mark changed."""


async def stream_updates(
    parts: Parts, person: Person, look: Callable[[], Awaitable[PageSnapshot]], shown: object = None
) -> AsyncIterator[ServerSentEvent]:
    """Yields the changed parts once a second, until the snapshot is final, the session ends or the service stops.

    `look` takes a snapshot and must hold no connection afterwards. `shown` is the mark of what the page shows already.
    """
    mark = shown
    until = min(person.until, parts.clock() + LONGEST_STREAM)
    while not parts.stop_requested.is_set() and await is_open(parts, person.session_id):
        found = await look()
        if found.mark != mark:
            mark = found.mark
            for id, made in found.parts.items():
                yield ServerSentEvent(event="part", data={"id": id, "html": made()})
        if found.is_final:
            yield ServerSentEvent(event="end", data={})
            return
        if parts.clock() >= until:
            return
        await _wait_for_next_look(parts.stop_requested)


async def _wait_for_next_look(leaving: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_INTERVAL.total_seconds()):
            await leaving.wait()
    except TimeoutError:
        return
