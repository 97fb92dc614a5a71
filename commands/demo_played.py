"""A story that was played: what can be read of it afterwards, and whether it went as it should."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import httpx

from commands.demo_stage import Row, Stage, Unexpected
from commands.demo_stories import Story
from core.events import EventType
from sandbox.client import SandboxError
from sandbox.models import Created

JITTER: Final = 1.1
"""A planned wait is up to a tenth longer than its rung."""


@dataclass(frozen=True)
class Played:
    """A story, what API and provider say of it, and what is wrong with that (nothing, as a rule)."""

    story: Story
    rows: Sequence[Row] = ()
    webhooks: int = 0
    charges: Sequence[str | None] = ()
    recoveries: int = 0
    complaint: str = ""
    invoice: str = ""

    @property
    def state(self) -> str:
        """Where it stands at the end."""
        return str(self.rows[-1]["to_state"]) if self.rows else "nothing"


async def play(stage: Stage, story: Story) -> Played:
    """Play it, read it back, check it. Never raises: what goes wrong is the complaint."""
    try:
        played = await _read(stage, story, await story.play(stage))
    except Unexpected as different:
        return Played(story, complaint=str(different))
    except (SandboxError, httpx.HTTPError) as lost:
        return Played(story, complaint=f"a part of the stack did not answer: {type(lost).__name__} {lost}")
    return replace(played, complaint="; ".join(complaints(played)))


async def _read(stage: Stage, story: Story, made: Created) -> Played:
    return Played(
        story,
        invoice=made.invoice,
        rows=await stage.settled(made.invoice),
        webhooks=await stage.events(made) + story.copies - 1,
        charges=await stage.charges(made.invoice),
        recoveries=await stage.recoveries(made.invoice),
    )


def complaints(played: Played) -> Iterator[str]:
    """Everything that is not as the story wants it, a sentence each."""
    story, rows = played.story, played.rows
    if played.state != story.ending:
        yield f"it ended {played.state} instead of {story.ending}"
    if len(played.charges) != story.charged:
        yield f"the provider made {len(played.charges)} charges instead of {story.charged}"
    if played.recoveries != 1:
        yield f"there are {played.recoveries} recoveries instead of one"
    if not _in_order(story.shows, (row["type"] for row in rows)):
        yield f"its log does not hold {', '.join(story.shows)} in this order"
    yield from _of_plan(played)
    yield from _of_charges(played)


def _of_plan(played: Played) -> Iterator[str]:
    hours = played.story.first_wait_hours
    plans = _of_type(played.rows, EventType.RETRY_PLANNED)
    seconds = plans[0]["data"]["delay_seconds"] if plans else 0
    if hours and not hours * 3600 <= seconds <= hours * 3600 * JITTER:
        yield f"its first retry was planned after {seconds} s instead of {hours} h"


def _of_charges(played: Played) -> Iterator[str]:
    """One row and one key per attempt, and no money that no row asked for, except what the customer paid."""
    requests = _of_type(played.rows, EventType.CHARGE_REQUESTED)
    triggers = tuple(row["data"]["trigger"] for row in requests)
    if triggers != played.story.triggers:
        yield f"we charged for {list(triggers)} instead of {list(map(str, played.story.triggers))}"
    keys = Counter(row["data"]["idempotency_key"] for row in requests)
    if any(count > 1 for count in keys.values()):
        yield "two attempts have the same key"
    if any(key not in keys for key in played.charges if key):
        yield "the provider was charged with a key that the log does not know"


def _of_type(rows: Iterable[Row], wanted: EventType) -> list[Row]:
    return [row for row in rows if row["type"] == wanted]


def _in_order(wanted: Iterable[str], found: Iterator[str]) -> bool:
    """Whether all of `wanted` are found, in their order, whatever else is in between."""
    return all(one in found for one in wanted)
