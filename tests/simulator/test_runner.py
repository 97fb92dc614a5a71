"""Whole dry runs: reproducible, and explicit about what they left out."""

import os
import signal
from collections.abc import Callable

import pytest

from core.errors import InvalidInput
from core.strategies.base import Proposal, Situation
from simulator.engines.arm import World
from simulator.processes import ProcessFailed, run_in_processes
from simulator.report.result import Result
from simulator.runner import CHUNK, DryRunCanceled, RunObserver, simulate_policies
from tests.simulator.made_cases import MadeSource, a_world, policy_with_strategy, shipped_policy_text

QUICK = shipped_policy_text().replace("attempts_allowed = 4", "attempts_allowed = 1")


def run_simulation(candidate: World | None = None, count: int = 400, **more: object) -> Result:
    """The result of the shipped policy against this candidate."""
    source, baseline = MadeSource(count), a_world(name="baseline")
    return simulate_policies(source, baseline, candidate or a_world(QUICK), **({"seed": 5} | more))  # type: ignore[arg-type]


def test_identical_candidate_has_zero_difference() -> None:
    result = run_simulation(a_world())
    assert result.difference.model_dump() == dict.fromkeys(result.difference.model_dump(), 0)
    assert result.arms[0].model_copy(update={"name": "candidate"}) == result.arms[1]
    assert result.policy_diff == ""


def test_result_is_independent_of_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.runner.CHUNK", 70)
    assert (
        run_simulation(jobs=2).model_dump_json()
        == run_simulation(jobs=1).model_dump_json()
        == run_simulation(jobs=5).model_dump_json()
    )


def test_result_is_independent_of_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_simulation()
    monkeypatch.setattr("simulator.runner.CHUNK", 33)
    assert run_simulation().model_dump_json() == result.model_dump_json()


def test_another_seed_draws_other_numbers() -> None:
    assert run_simulation(seed=6).arms != run_simulation(seed=5).arms


def test_fewer_retries_recover_less_beyond_the_interval() -> None:
    result = run_simulation(count=4_000)
    baseline, candidate = result.arms
    assert candidate.charge_attempts < baseline.charge_attempts
    assert candidate.recovered < baseline.recovered
    assert result.difference.recovery_rate == pytest.approx(candidate.recovery_rate - baseline.recovery_rate)
    assert result.difference.ci_low < result.difference.recovery_rate < result.difference.ci_high < 0


def test_parts_add_up_to_the_whole() -> None:
    for arm in run_simulation().arms:
        for parts in (arm.by_cause, arm.by_segment):
            assert sum(part.recoveries for part in parts) == arm.recoveries
            assert sum(part.recovered for part in parts) == arm.recovered
            assert sum(part.amount_recovered for part in parts) == arm.amount_recovered
        assert sum(arm.ends.values()) == arm.recoveries
        assert arm.recovered_by_day[-1] == arm.recovered
        assert list(arm.recovered_by_day) == sorted(arm.recovered_by_day)


def test_progress_ends_at_the_total() -> None:
    progress: list[tuple[int, int]] = []
    run_simulation(
        sweep=((0.1, 0.0), (0.3, 0.1)), watch=RunObserver(progress=lambda done, of: progress.append((done, of)))
    )
    assert progress == [(400, 1_200), (800, 1_200), (1_200, 1_200)]


def test_sweep_has_a_result_for_every_share() -> None:
    result = run_simulation(sweep=((0.1, 0.0), (0.3, 0.1)))
    assert [(row.soft, row.hard, row.recoveries) for row in result.sensitivity] == [(0.1, 0.0, 400), (0.3, 0.1, 400)]


def test_canceled_run_raises() -> None:
    with pytest.raises(DryRunCanceled):
        run_simulation(watch=RunObserver(is_canceled=lambda: True))


def test_empty_simulation_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no recoveries"):
        run_simulation(count=0)


class OddInvoiceStrategy:
    """A plugin strategy that looks at the invoice id."""

    def propose(self, situation: Situation) -> Proposal | None:
        """A proposal that is sooner for odd invoices."""
        hours = 3 if situation.invoice_id[-1] in "13579" else 30
        return Proposal(delay_seconds=hours * 3_600, why="by the last digit") if situation.attempt < 3 else None


def test_strategy_without_array_support_runs_and_is_reported() -> None:
    decision_world = a_world()
    strategies = {**decision_world.strategies, "odd": OddInvoiceStrategy}
    policy = a_world(policy_with_strategy('use = "odd"'), strategies=strategies)
    result = run_simulation(policy, count=60)
    assert result.arms[1].event_by_event
    assert not result.arms[0].event_by_event
    assert any("standard_ladder" in note and "event by event" in note for note in result.notes)


def _kill_process(first: int, _: int) -> int:
    if first == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return first


def _raise_error(first: int, _: int) -> int:
    return 1 // first


def builder_of(worker: Callable[[int, int], int]) -> "Builder":
    """A builder of this worker."""
    return Builder(worker)


class Builder:
    """A builder that can be pickled."""

    def __init__(self, worker: Callable[[int, int], int]) -> None:
        self._worker = worker

    def __call__(self) -> Callable[[int, int], int]:
        return self._worker


@pytest.mark.parametrize(
    ("worker", "words"), [(_kill_process, "before its work was done"), (_raise_error, "ZeroDivisionError")]
)
def test_crashed_process_is_reported(worker: Callable[[int, int], int], words: str) -> None:
    with pytest.raises(ProcessFailed, match=words), run_in_processes(builder_of(worker), [(0, 1), (1, 1)], 2) as parts:
        list(parts)


def test_a_chunk_is_small_enough_for_flat_memory() -> None:
    assert CHUNK <= 100_000
