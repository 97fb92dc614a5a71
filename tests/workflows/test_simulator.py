"""A dry run is worth something because it is the production code: both live the same stories and tell them alike.

Every case is lived twice: by both engines of the simulator, and by the real workflow on the time-skipping server, whose
provider answers each charge as the simulator's luck had it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import catalog
from activities.charging import Charging
from activities.decisions import Decisions, Knowledge
from activities.lookups import Learnt, Lookups
from activities.recording import Recording
from core.events import EventType, Record, State, Trigger
from core.retry.machine import apply
from core.retry.pace import Pace
from core.retry.recovery import Recovery
from core.retry.strategies.experience import Cell
from simulator import assumptions
from simulator.cases import NEVER, Cases
from simulator.exact import Run
from simulator.fast import Fast
from simulator.fate import Fates
from simulator.population import SyntheticSource
from simulator.world import World
from tests.simulator.made import a_world, loyal_by
from tests.support.theatre import Scene, Stage, Theatre
from workflows.names import QUEUE, charges
from workflows.registry import WORKFLOWS

SEED: Final = 11
AHEAD: Final = 600
"""Seconds until a case fails: the server's clock runs on while it is simulated, and then skips there."""
A_MOMENT: Final = 10
"""Seconds that a real step may take on a busy machine; what it was planned for is compared to the second."""
NONE: Final = -1
BLANK: Final = Recovery(provider="stripe", invoice_id="in_any")
POLICY: Final = loyal_by('use = "payday"\ndelays = ["3h", "24h", "72h", "168h"]\njitter_percent = 10')
"""Ladders for most, paydays for some."""


class Charged(NamedTuple):
    """One charge, as far as a policy decides about it."""

    trigger: str
    waited: int
    """Seconds from the failure before to the moment that it was planned for."""


class Lived(NamedTuple):
    """What became of one case, whoever lived it."""

    state: State
    reason: str
    charges: tuple[Charged, ...]
    patience: tuple[int, ...]
    """Seconds that people were given, each time that it was up to them; from the failure on where the window says."""
    rows: tuple[str, ...]
    """The types of all rows."""
    delays: tuple[float, ...] = ()
    """How much later than planned each charge was requested: nought for the simulator."""


class File:
    """A policy that doesn't change."""

    def __init__(self, world: World) -> None:
        self._world = world

    def current(self) -> Any:
        """It."""
        return self._world.policy


@pytest.fixture
async def stage(time_server: WorkflowEnvironment) -> AsyncIterator[Stage]:
    """Workers for everything, and a provider that knows its scenes."""
    theatre, world = Theatre(), a_world(POLICY)
    knowledge = Knowledge(world.tables, File(world), dict(catalog.strategies()), Pace())  # type: ignore[arg-type]
    decisions = Decisions(knowledge, theatre.history, theatre.log, Lookups(Learnt(nothing_learnt)))
    recording, charging = Recording(theatre.log, nothing_searchable), Charging({"stripe": theatre}, theatre.log)
    quick: list[Callable[..., Any]] = [
        recording.open_recovery,
        recording.record_events,
        decisions.classify_failure,
        decisions.segment_customer,
        decisions.plan_retry,
    ]
    calls: list[Callable[..., Any]] = [charging.read_failure, charging.charge_invoice, charging.settle_charge]
    client = time_server.client
    async with (
        Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, activities=quick),
        Worker(client, task_queue=charges("stripe"), activities=calls),
    ):
        yield Stage(time_server, theatre)


async def nothing_learnt() -> list[Cell]:
    """No retry was ever recorded."""
    return []


async def nothing_searchable() -> tuple[str, ...]:
    """No search attribute is registered."""
    return ()


def begun_at(cases: Cases, row: int, at: int) -> Cases:
    """That case alone, failing at that moment."""
    shift = at - int(cases.failed_at[row])
    here = np.array([row])

    def moved(times: Any) -> Any:
        return np.where(times[here] == NEVER, NEVER, times[here] + shift)

    earlier = {0: tuple(at + shift for at in cases.earlier.get(row, ()))}
    columns = {name: getattr(cases, name)[here] for name in ("number", "name", "failure", "payer")}
    times = {name: moved(getattr(cases, name)) for name in ("failed_at", "paid_at", "method_at")}
    return replace(cases, earlier=earlier, **columns, **times)


def lived(rows: Sequence[Record]) -> Lived:
    """What a log tells."""
    recovery, charges, patience, delays = BLANK, [], [], []
    for row in rows:
        if row.type is EventType.CHARGE_REQUESTED:
            planned = recovery.next_attempt_at if row.data["trigger"] == Trigger.SCHEDULED else None
            waited = seconds(recovery.failed_at, planned or row.occurred_at)
            charges.append(Charged(row.data["trigger"], round(waited) if planned else NONE))
            delays.append(seconds(planned, row.occurred_at) if planned else 0.0)
        recovery = apply(recovery, row)
        if row.type is EventType.RETRY_SKIPPED and recovery.until:
            begin = recovery.opened_at if recovery.used_up else row.occurred_at
            patience.append(round(seconds(begin, recovery.until)))
    end = rows[-1]
    assert end.type is EventType.RECOVERY_CLOSED
    types = tuple(row.type.value for row in rows)
    return Lived(end.to_state, end.data["reason"], tuple(charges), tuple(patience), types, tuple(delays))


def seconds(begin: datetime | None, end: datetime) -> float:
    """From then to then."""
    assert begin is not None
    return (end - begin).total_seconds()


@pytest.mark.timeout(3_600)
async def test_recoveries_are_lived_alike(stage: Stage, pytestconfig: pytest.Config) -> None:
    recoveries: int = pytestconfig.getoption("--recoveries")
    believed, world = assumptions.shipped(), a_world(POLICY)
    source, fates = SyntheticSource(believed, recoveries, SEED), Fates(believed.outcomes(), SEED)
    every, ends, waited = source.cases(0, recoveries), set(), set()
    for row in range(recoveries):
        case = begun_at(every, row, await stage.now() + AHEAD)
        run = Run(world, fates.of(case), case, 0)
        journey, fast = run.finished(), Fast(world, fates).run(case).one(0)
        assert fast == (journey.state, journey.reason, journey.closed_at, tuple(one.at for one in journey.charges))
        scene = Scene(case.one(0), believed.outcomes(), [charge.won for charge in journey.charges])
        real, told = lived(await stage.play(scene, journey.closed_at)), lived(run.records)
        assert real._replace(delays=told.delays) == told, (real, told, case.one(0))
        assert set(told.delays) <= {0.0}
        assert all(0 <= delay < A_MOMENT for delay in real.delays)
        ends.add((real.state, real.reason))
        waited |= {real.state} if any(row.data.get("action") == "give_up" for row in run.records) else set()
    assert len(ends) > 5, "the cases must be of many kinds"
    assert waited == {State.EXHAUSTED, State.RECOVERED}, "some must pay, or give a card, when no retry is left"
