"""How recorded retries ended: counts by cause, attempt, hour of the week and delay, as small tables of integers."""

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from core.base import Value
from core.classification.taxonomy import Cause

DELAY_EDGES: Final = (6, 12, 24, 48, 72, 120, 168)
"""Hours after the failure at which each delay class from 1 on begins; class 0 is everything sooner."""
BLOCK_HOURS: Final = 6
"""Length of a block of the week; there are 28, from Monday 00:00 UTC on."""
BLOCKS_PER_WEEK: Final = 7 * 24 // BLOCK_HOURS
LAST_ATTEMPT: Final = 6
"""Later attempts are counted as this one, since there are few of them."""

RetryTally = tuple[int, int]
"""Number of retries, and of those that succeeded."""


class RetryCell(NamedTuple):
    """The count of retries with the same cause, attempt, hour and delay."""

    cause: str
    attempt: int
    """The scheduled retry, from 1."""
    hour_of_week: int
    """0 to 167 from Monday 00:00 UTC."""
    delay_hours: int
    """Whole hours since the failure before the retry."""
    tried: int
    won: int


class DelayBlockTally(Value):
    """The count for one combination of delay class and block of the week."""

    delay: int
    block: int
    tried: int
    won: int


class Experience(Value):
    """The counts for one cause and attempt: a strategy's input, recorded with the plan so that it can be rederived."""

    snapshot: str
    """The hash of the statistics that this is part of."""
    cause: RetryTally = (0, 0)
    """All attempts after this cause."""
    attempt: RetryTally = (0, 0)
    delays: tuple[RetryTally, ...] = ((0, 0),) * (len(DELAY_EDGES) + 1)
    """Of this cause, by delay class."""
    blocks: tuple[RetryTally, ...] = ((0, 0),) * BLOCKS_PER_WEEK
    """Of this cause, by block of the week."""
    spots: tuple[DelayBlockTally, ...] = ()
    """Of this cause and attempt, by delay class and block together; only combinations that were tried."""

    @cached_property
    def spot_tallies(self) -> Mapping[tuple[int, int], RetryTally]:
        """`spots` by delay class and block."""
        # Reversed, so that of two for one combination the first counts.
        return {(one.delay, one.block): (one.tried, one.won) for one in reversed(self.spots)}

    @cached_property
    def recorded_form(self) -> dict[str, Any]:
        """The counts as the JSON of a row."""
        return self.model_dump(mode="json", exclude_none=True)


class RetryStatistics:
    """One snapshot of all counts. Immutable; the counts for each cause and attempt are summed once, when it is made."""

    def __init__(self, cells: Iterable[RetryCell] = ()) -> None:
        known = sorted(cells)  # the hash must not depend on the order in which a query returned them
        self.snapshot: str = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]
        """A hash of the cells, the same in whatever order they came."""
        self._experiences: Mapping[tuple[str, int], Experience] = _build_experiences(known, self.snapshot)

    def experience_for(self, cause: Cause, attempt: int) -> Experience:
        """The counts for a cause and attempt; those of the cause alone for an attempt never seen; else zeros."""
        found = self._experiences.get((cause.value, min(attempt, LAST_ATTEMPT)))
        return found or self._experiences.get((cause.value, 0)) or Experience(snapshot=self.snapshot)


def delay_class(hours: int) -> int:
    """The delay class of so many hours after the failure, 0 to `len(DELAY_EDGES)`."""
    return bisect_right(DELAY_EDGES, hours)


def block_of(moment: datetime) -> int:
    """The block of the week of a moment, 0 to 27, by UTC."""
    utc = moment.astimezone(UTC)
    return (utc.weekday() * 24 + utc.hour) // BLOCK_HOURS


class _Counts:
    """Sums of cells under any key."""

    def __init__(self) -> None:
        self._tried: Counter[tuple[int | str, ...]] = Counter()
        self._won: Counter[tuple[int | str, ...]] = Counter()

    def add(self, cell: RetryCell, *key: int | str) -> None:
        self._tried[key] += cell.tried
        self._won[key] += cell.won

    def tally_of(self, *key: int | str) -> RetryTally:
        return self._tried[key], self._won[key]


def _build_experiences(cells: list[RetryCell], snapshot: str) -> dict[tuple[str, int], Experience]:
    """The counts by cause and attempt; attempt 0 is the answer for attempts that were never seen."""
    total = _Counts()
    spots: dict[tuple[str, int], set[tuple[int, int]]] = {(cell.cause, 0): set() for cell in cells}
    for cell in cells:
        attempt = min(cell.attempt, LAST_ATTEMPT)
        delay, block = delay_class(cell.delay_hours), cell.hour_of_week // BLOCK_HOURS
        total.add(cell, "cause", cell.cause)
        total.add(cell, "attempt", cell.cause, attempt)
        total.add(cell, "delay", cell.cause, delay)
        total.add(cell, "block", cell.cause, block)
        total.add(cell, "spot", cell.cause, attempt, delay, block)
        spots.setdefault((cell.cause, attempt), set()).add((delay, block))
    return {key: _build_experience(total, *key, sorted(found), snapshot) for key, found in spots.items()}


def _build_experience(
    total: _Counts, cause: str, attempt: int, spots: list[tuple[int, int]], snapshot: str
) -> Experience:
    tallies = [(delay, block, *total.tally_of("spot", cause, attempt, delay, block)) for delay, block in spots]
    return Experience(
        snapshot=snapshot,
        cause=total.tally_of("cause", cause),
        attempt=total.tally_of("attempt", cause, attempt),
        delays=tuple(total.tally_of("delay", cause, number) for number in range(len(DELAY_EDGES) + 1)),
        blocks=tuple(total.tally_of("block", cause, number) for number in range(BLOCKS_PER_WEEK)),
        spots=tuple(DelayBlockTally(delay=one[0], block=one[1], tried=one[2], won=one[3]) for one in tallies),
    )
