"""The simulator's engines give the same result for a case as the real workflow.

Every case is lived twice: by both engines of the simulator, and by the real workflow on the time-skipping server, whose
provider answers each charge as the simulator drew it.
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
from activities.decisions import Decisions
from activities.recording import Recording
from core.durations import TimeScale
from core.events import EventType, Record, State, Trigger
from core.recovery.machine import apply
from core.recovery.state import Recovery
from core.strategies.experience import RetryCell
from lookups.planning import PlanLookups, StatisticsCache
from simulator.engines.arm import World
from simulator.engines.array_engine import ArrayEngine
from simulator.engines.event_engine import RecoverySimulation
from simulator.model import assumptions
from simulator.model.cases import NEVER, Cases
from simulator.model.outcome_model import OutcomeModels
from simulator.population.synthetic import SyntheticSource
from tests.simulator.made_cases import a_world, policy_with_strategy
from tests.support.scenario_provider import InvoiceScenario, ScenarioProvider, WorkflowRunner
from workflows.client import WORKFLOWS
from workflows.options import RECOVERY_QUEUE, charge_queue

SEED: Final = 11
LEAD_SECONDS: Final = 600
"""Seconds until a case fails: the server's clock runs on while it is simulated, and then skips there."""
TOLERANCE_SECONDS: Final = 10
"""Seconds that a real step may take on a busy machine; what it was planned for is compared to the second."""
NO_MOMENT: Final = -1
BLANK_RECOVERY: Final = Recovery(provider="stripe", invoice_id="in_any")
POLICY: Final = policy_with_strategy('use = "payday"\ndelays = ["3h", "24h", "72h", "168h"]\njitter_percent = 10')
"""Ladders for most, paydays for some."""


class ChargeFact(NamedTuple):
    """One charge, as far as a policy decides about it."""

    trigger: str
    waited_seconds: int
    """Seconds from the failure before to the moment that it was planned for."""


class CaseResult(NamedTuple):
    """The result of one case, by workflow or engine."""

    state: State
    reason: str
    charges: tuple[ChargeFact, ...]
    deadlines: tuple[int, ...]
    """Seconds that people were given, each time that it was up to them; from the failure on where the window says."""
    rows: tuple[str, ...]
    """The types of all rows."""
    delays: tuple[float, ...] = ()
    """How much later than planned each charge was requested: nought for the simulator."""


class FixedPolicySource:
    """A policy that doesn't change."""

    def __init__(self, world: World) -> None:
        self._world = world

    def current_policy(self) -> Any:
        """The policy."""
        return self._world.policy


@pytest.fixture
async def workflow_runner(time_server: WorkflowEnvironment) -> AsyncIterator[WorkflowRunner]:
    """A runner with workers for all queues and a provider for its cases."""
    provider, decision_world = ScenarioProvider(), a_world(POLICY)
    policy: Any = FixedPolicySource(decision_world)
    sources = catalog.DecisionSources(decision_world.tables, policy, dict(catalog.installed_strategies()), TimeScale())
    decisions = Decisions(sources, provider.read_history, provider.log, PlanLookups(StatisticsCache(no_cells)))
    recording, charging = Recording(provider.log, no_search_attributes), Charging({"stripe": provider}, provider.log)
    quick: list[Callable[..., Any]] = [
        recording.open_recovery,
        recording.record_events,
        decisions.classify_failure,
        decisions.segment_customer,
        decisions.plan_retry,
    ]
    calls: list[Callable[..., Any]] = [charging.read_failure, charging.charge_invoice, charging.reconcile_charge]
    client = time_server.client
    async with (
        Worker(client, task_queue=RECOVERY_QUEUE, workflows=WORKFLOWS, activities=quick),
        Worker(client, task_queue=charge_queue("stripe"), activities=calls),
    ):
        yield WorkflowRunner(time_server, provider)


async def no_cells() -> list[RetryCell]:
    """Statistics without any recorded retry."""
    return []


async def no_search_attributes() -> tuple[str, ...]:
    """No registered search attributes."""
    return ()


def case_beginning_at(cases: Cases, row: int, at: int) -> Cases:
    """The case at this row alone, failing at that time."""
    shift = at - int(cases.failed_at[row])
    rows = np.array([row])

    def shift_times(times: Any) -> Any:
        return np.where(times[rows] == NEVER, NEVER, times[rows] + shift)

    earlier = {0: tuple(at + shift for at in cases.earlier.get(row, ()))}
    columns = {name: getattr(cases, name)[rows] for name in ("number", "name", "failure", "payer")}
    times = {name: shift_times(getattr(cases, name)) for name in ("failed_at", "paid_at", "method_at")}
    return replace(cases, earlier=earlier, **columns, **times)


def case_result(rows: Sequence[Record]) -> CaseResult:
    """The result that these rows record."""
    recovery, charges, waiting_times, delays = BLANK_RECOVERY, [], [], []
    for row in rows:
        if row.type is EventType.CHARGE_REQUESTED:
            planned = recovery.next_attempt_at if row.data["trigger"] == Trigger.SCHEDULED else None
            wait_seconds = seconds_between(recovery.failed_at, planned or row.occurred_at)
            charges.append(ChargeFact(row.data["trigger"], round(wait_seconds) if planned else NO_MOMENT))
            delays.append(seconds_between(planned, row.occurred_at) if planned else 0.0)
        recovery = apply(recovery, row)
        if row.type is EventType.RETRY_SKIPPED and recovery.until:
            begin = recovery.opened_at if recovery.used_up else row.occurred_at
            waiting_times.append(round(seconds_between(begin, recovery.until)))
    end = rows[-1]
    assert end.type is EventType.RECOVERY_CLOSED
    types = tuple(row.type.value for row in rows)
    return CaseResult(end.to_state, end.data["reason"], tuple(charges), tuple(waiting_times), types, tuple(delays))


def seconds_between(begin: datetime | None, end: datetime) -> float:
    """The seconds from one time to another."""
    assert begin is not None
    return (end - begin).total_seconds()


def agree_on_charges(real: CaseResult, simulated: CaseResult) -> bool:
    """Whether the charges have the same triggers and waits.

    A real charge takes place some seconds after its time, and what is planned for a fixed hour, as a payday's morning,
    comes that much sooner after its decline.
    """
    late = (0.0, *real.delays)
    return len(real.charges) == len(simulated.charges) and all(
        one.trigger == other.trigger and 0 <= other.waited_seconds - one.waited_seconds <= before + 1
        for one, other, before in zip(real.charges, simulated.charges, late, strict=False)
    )


@pytest.mark.timeout(3_600)
async def test_workflow_and_engines_agree_on_every_recovery(
    workflow_runner: WorkflowRunner, pytestconfig: pytest.Config
) -> None:
    recoveries: int = pytestconfig.getoption("--recoveries")
    shipped, decision_world = assumptions.load_shipped_assumptions(), a_world(POLICY)
    source, outcome_models = (
        SyntheticSource(shipped, recoveries, SEED),
        OutcomeModels(shipped.to_outcome_chances(), SEED),
    )
    every, ends, wait_lengths = source.cases(0, recoveries), set(), set()
    for row in range(recoveries):
        case = case_beginning_at(every, row, await workflow_runner.server_time() + LEAD_SECONDS)
        run = RecoverySimulation(decision_world, outcome_models.for_cases(case), case, 0)
        result, fast = run.run_to_end(), ArrayEngine(decision_world, outcome_models).run(case).summary_at(0)
        assert fast == (result.state, result.reason, result.closed_at, tuple(charge.at for charge in result.charges))
        scenario = InvoiceScenario(
            case.case_at(0), shipped.to_outcome_chances(), [charge.won for charge in result.charges]
        )
        real, array_result = (
            case_result(await workflow_runner.run_scenario(scenario, result.closed_at)),
            case_result(run.records),
        )
        expected = array_result._replace(charges=real.charges, delays=real.delays)
        assert real == expected, (real, array_result, case.case_at(0))
        assert agree_on_charges(real, array_result), (real, array_result, case.case_at(0))
        assert set(array_result.delays) <= {0.0}
        assert all(0 <= delay < TOLERANCE_SECONDS for delay in real.delays)
        ends.add((real.state, real.reason))
        wait_lengths |= {real.state} if any(row.data.get("action") == "give_up" for row in run.records) else set()
    assert len(ends) > 5, "the cases must be of many kinds"
    assert wait_lengths == {State.EXHAUSTED, State.RECOVERED}, "some must pay, or give a card, when no retry is left"
