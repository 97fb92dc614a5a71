"""A request to the fake API, and the answer to it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sandbox.config import shape_for_version
from sandbox.models import Delivery, Document, Shape
from sandbox.outcomes import Outcome


@dataclass
class Call:
    """One request; `names` are the ids in its path, `outcome` is what the script says about it."""

    method: str
    path: str
    params: Document
    key: str | None = None
    version: str | None = None
    authorization: str = ""
    account: str | None = None
    """The connected account that the caller acts for (header `Stripe-Account`)."""
    names: tuple[str, ...] = ()
    outcome: Outcome | None = None

    @property
    def shape(self) -> Shape:
        """The object shape this caller wants."""
        return shape_for_version(self.version)


@dataclass(frozen=True)
class Answer:
    """What goes back; `keep` stores it under the idempotency key, `drop` cuts the connection instead."""

    status: int = 200
    body: Document | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    events: tuple[Document, ...] = ()
    delivery: Delivery | None = None
    keep: bool = True
    replayed: bool = False
    drop: bool = False
    after: float = 0.0
    outcome: str = "ok"


T = TypeVar("T")


class RunningCalls(Generic[T]):
    """Once begun a call runs to its end, whether or not its caller still listens."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[T]] = set()

    async def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        """What it comes to."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
