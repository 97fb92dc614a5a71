"""Results of the demo's scenarios: what API and provider report afterwards, compared with what is expected."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import httpx

from commands.demo.driver import Row, ScenarioDriver, UnexpectedOutcome
from commands.demo.scenarios import Scenario
from core.events import EventType
from core.formatting import spell_duration
from sandbox.client import SandboxError
from sandbox.stripe.models import FailedInvoiceIds

MAX_JITTER: Final = 1.1
"""Factor for planned waits, which jitter makes up to a tenth longer."""


@dataclass(frozen=True)
class ScenarioResult:
    """A scenario with what API and provider report about it; `complaint` is empty if all of it is as expected."""

    scenario: Scenario
    rows: Sequence[Row] = ()
    webhooks: int = 0
    charges: Sequence[str | None] = ()
    recoveries: int = 0
    complaint: str = ""
    invoice: str = ""

    @property
    def state(self) -> str:
        """The recovery's state at the end; `nothing` if it has no log."""
        return str(self.rows[-1]["to_state"]) if self.rows else "nothing"


async def play_scenario(stage: ScenarioDriver, scenario: Scenario) -> ScenarioResult:
    """Plays a scenario, reads its results and checks them. Failures become the result's complaint, not an error."""
    try:
        played = await _read_result(stage, scenario, await scenario.play(stage))
    except UnexpectedOutcome as different:
        return ScenarioResult(scenario, complaint=str(different))
    except (SandboxError, httpx.HTTPError) as lost:
        return ScenarioResult(scenario, complaint=f"a part of the stack did not answer: {type(lost).__name__} {lost}")
    return replace(played, complaint="; ".join(find_complaints(played)))


async def _read_result(stage: ScenarioDriver, scenario: Scenario, made: FailedInvoiceIds) -> ScenarioResult:
    return ScenarioResult(
        scenario,
        invoice=made.invoice,
        rows=await stage.wait_for_last_message(made.invoice),
        webhooks=await stage.count_events(made) + scenario.copies - 1,
        charges=await stage.read_charge_keys(made.invoice),
        recoveries=await stage.count_recoveries(made.invoice),
    )


def find_complaints(played: ScenarioResult) -> Iterator[str]:
    """Yields a sentence for everything that is not as the scenario expects."""
    story, rows = played.scenario, played.rows
    if played.state != story.ending:
        yield f"it ended {played.state} instead of {story.ending}"
    if len(played.charges) != story.expected_charges:
        yield f"the provider made {len(played.charges)} charges instead of {story.expected_charges}"
    if played.recoveries != 1:
        yield f"there are {played.recoveries} recoveries instead of one"
    if not _appear_in_order(story.expected_rows, (row["type"] for row in rows)):
        yield f"its log does not hold {', '.join(story.expected_rows)} in this order"
    yield from _plan_complaints(played)
    yield from _charge_complaints(played)


def _plan_complaints(played: ScenarioResult) -> Iterator[str]:
    hours = played.scenario.first_wait_hours
    plans = _rows_of_type(played.rows, EventType.RETRY_PLANNED)
    seconds = plans[0]["data"]["delay_seconds"] if plans else 0
    if hours and not hours * 3600 <= seconds <= hours * 3600 * MAX_JITTER:
        yield f"its first retry was planned after {spell_duration(seconds)} instead of {spell_duration(hours * 3600)}"


def _charge_complaints(played: ScenarioResult) -> Iterator[str]:
    """Checks triggers and keys: one key per attempt, and no charge of ours without a `charge.requested` row."""
    requests = _rows_of_type(played.rows, EventType.CHARGE_REQUESTED)
    triggers = tuple(row["data"]["trigger"] for row in requests)
    if triggers != played.scenario.triggers:
        yield f"we charged for {list(triggers)} instead of {list(map(str, played.scenario.triggers))}"
    keys = Counter(row["data"]["idempotency_key"] for row in requests)
    if any(count > 1 for count in keys.values()):
        yield "two attempts have the same key"
    if any(key not in keys for key in played.charges if key):
        yield "the provider was charged with a key that the log does not know"


def _rows_of_type(rows: Iterable[Row], wanted: EventType) -> list[Row]:
    return [row for row in rows if row["type"] == wanted]


def _appear_in_order(wanted: Iterable[str], found: Iterator[str]) -> bool:
    """Whether all of `wanted` occur in `found` in this order, with anything in between."""
    # `in` consumes the iterator up to the match, so each search continues after the one before it.
    return all(one in found for one in wanted)
