"""Pages that stay up to date: a stream of server-sent events with the parts that changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fastapi.sse import ServerSentEvent

from api.admin.people import Person
from api.deps import Parts

EVERY: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=15)
"""The browser connects again by itself; a page that was forgotten doesn't hold a connection for ever."""


@dataclass(frozen=True)
class Look:
    """One look at what a page shows."""

    mark: object
    """Differs from the look before where something changed."""
    ended: bool = False
    """Whether nothing can change any more."""
    parts: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    """By id of the element, its new inside; made only when the mark is a new one."""


async def updates(
    parts: Parts, person: Person, look: Callable[[], Awaitable[Look]], shown: object = None
) -> AsyncIterator[ServerSentEvent]:
    """The changed parts, looked for once a second, until it ended, the session did, or the service stops.

    `look` opens and closes what it needs: nothing is held between two looks. `shown` is the mark of what the page
    shows already.
    """
    mark = shown
    until = min(person.until, parts.clock() + LONGEST)
    while not parts.leaving.is_set():
        found = await look()
        if found.mark != mark:
            mark = found.mark
            for id, made in found.parts.items():
                yield ServerSentEvent(event="part", data={"id": id, "html": made()})
        if found.ended:
            yield ServerSentEvent(event="end", data={})
            return
        if parts.clock() >= until:
            return
        await _pause(parts.leaving)


async def _pause(leaving: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY.total_seconds()):
            await leaving.wait()
    except TimeoutError:
        return
