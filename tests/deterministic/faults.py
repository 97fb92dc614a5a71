"""Faults of a simulated world: where one can strike, and what happens then."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import StoreUnavailable
from tests.deterministic.loop import PROCESS, Process, VirtualLoop

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "statement": ("away", "kill", "stop", "slow"),
    "commit": ("away", "lost", "kill_before", "kill_after", "stop_before", "stop_after"),
    "read": ("away", "kill", "stop", "refused"),
    "charge": (
        "limited", "lost_request", "drop", "late", "latest", "error_500", "kept_500", "kill_sent", "kill_answered",
        "stop_sent", "stop_answered", "stop_before",
    ),
    "call": ("away", "lost", "late", "kill", "twice"),
    "activity": ("lost", "kill"),
    "task": ("lost", "kill", "stop"),
    "run": ("terminate", "forget", "kill"),
}  # fmt: skip
"""By the place where a fault strikes: a statement or commit of PostgreSQL, a read or charge at the provider, a call to
Temporal, the end of an activity or of a workflow task, the begin of a workflow task."""
WEIGHTS: Final[Mapping[str, int]] = {
    "statement": 3, "commit": 5, "read": 2, "charge": 6, "call": 2, "activity": 2, "task": 2, "run": 2,
}  # fmt: skip
REACH: Final[Mapping[str, int]] = {
    "statement": 120, "commit": 50, "read": 12, "charge": 4, "call": 14, "activity": 10, "task": 12, "run": 14,
}  # fmt: skip
"""How far into a story faults of a kind strike: at the first so many visits of their place."""


@dataclass(frozen=True)
class Fault:
    """What happens at the `visit`-th visit of a place, counted from 1."""

    place: str
    visit: int
    kind: str


def draw_fault(draw: random.Random) -> Fault:
    """One fault anywhere."""
    place = draw.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
    # Early visits more often: a story is short where all goes well.
    visit = 1 + min(int(draw.expovariate(3.0 / REACH[place])), REACH[place])
    return Fault(place, visit, draw.choice(KINDS[place]))


class Faults:
    """Says at each visit of a place whether a fault strikes, and has processes killed and stopped."""

    def __init__(
        self,
        faults: Sequence[Fault],
        loop: VirtualLoop,
        kill: Callable[[Process], None],
        on_stop: Callable[[Process, float], None],
        trace: Callable[[str], None],
    ) -> None:
        self._planned = {(fault.place, fault.visit): fault.kind for fault in faults}
        self._visits: Counter[str] = Counter()
        self._loop, self._kill, self._on_stop, self._trace = loop, kill, on_stop, trace
        self.struck: list[Fault] = []

    def visit(self, place: str) -> str | None:
        """The kind of the fault that strikes here and now; None: none does."""
        self._visits[place] += 1
        kind = self._planned.get((place, self._visits[place]))
        if kind is not None:
            self.struck.append(Fault(place, self._visits[place], kind))
            self._trace(f"FAULT {kind} at {place} {self._visits[place]}")
        return kind

    async def die(self) -> None:
        """Kills the process that runs now; never returns in it. Without effect outside any process."""
        if process := PROCESS.get():
            self._kill(process)
            await self._loop.create_future()

    async def stop(self, seconds: float) -> None:
        """Stops the process that runs now for so long."""
        if process := PROCESS.get():
            process.stopped_until = self._loop.time() + seconds
            self._trace(f"{process.name} is stopped for {seconds:.0f} s")
            self._on_stop(process, seconds)
            await self._loop.sleep(0.0)

    async def strike_statement(self, kind: str, draw: random.Random) -> None:
        """A fault at a statement. Raises StoreUnavailable."""
        match kind:
            case "away":
                raise StoreUnavailable("simulated: away")
            case "kill":
                await self.die()
            case "stop":
                await self.stop(draw.uniform(3.0, 90.0))
            case "slow":
                await self._loop.sleep(draw.uniform(0.5, 4.9))
