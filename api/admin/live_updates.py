"""Pages that stay up to date: a stream of server-sent events with the parts that changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fastapi.sse import ServerSentEvent

from api.admin.sessions import Person
from api.deps import Parts

LOOK_INTERVAL: Final = timedelta(seconds=1)
LONGEST_STREAM: Final = timedelta(minutes=15)
"""The browser connects again by itself; a page that was forgotten doesn't hold a connection for ever."""


@dataclass(frozen=True)
class PageSnapshot:
    """One look at what a page shows."""

    mark: object
    """Differs from the look before where something changed."""
    is_final: bool = False
    """Whether nothing can change any more."""
    parts: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """By id of the element, its new inside; made only when the mark is a new one."""


async def stream_updates(
    parts: Parts, person: Person, look: Callable[[], Awaitable[PageSnapshot]], shown: object = None
) -> AsyncIterator[ServerSentEvent]:
    """The changed parts, looked for once a second, until it ended, the session did, or the service stops.

    `look` opens and closes what it needs: nothing is held between two looks. `shown` is the mark of what the page
    shows already.
    """
    mark = shown
    until = min(person.until, parts.clock() + LONGEST_STREAM)
    while not parts.stop_requested.is_set():
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
