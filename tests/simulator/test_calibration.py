"""Calibration: a model fitted to a history reproduces it; a model of another world doesn't."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InvalidInput
from simulator.history.calibration import SimulateCases, calibrate_model
from simulator.history.columns import CHARGED, OPEN, History
from simulator.history.recorded import RecordedRecovery
from simulator.history.recorded_source import HistorySource, build_history_source
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.cases import Booleans, Cases
from simulator.model.outcome_model import OutcomeModels
from simulator.population.synthetic import SyntheticSource
from simulator.runner import choose_engine
from tests.simulator.made_cases import DAY, a_world
from tests.simulator.simulated_history import simulated_history
from tests.simulator.test_fit import NOON, a_history, different_outcomes, recoveries_with_tries

SHIPPED_ASSUMPTIONS = load_shipped_assumptions()
WORLD = a_world()
MANY_CASES = 12_000


@pytest.fixture(scope="module")
def history() -> History:
    """A history of a world with other chances than the shipped ones."""
    cases = SyntheticSource(SHIPPED_ASSUMPTIONS, MANY_CASES, 3).cases(0, MANY_CASES)
    return simulated_history(cases, different_outcomes(SHIPPED_ASSUMPTIONS.to_outcome_chances()), WORLD)


def start_run(source: HistorySource, seed: int = 9) -> SimulateCases:
    def run_cases(cases: Cases) -> Booleans:
        return choose_engine(WORLD, OutcomeModels(source.outcomes, seed)).run(cases).is_recovered

    return run_cases


def history_source(history: History) -> HistorySource:
    return build_history_source(history, SHIPPED_ASSUMPTIONS, recoveries=None, seed=1)


def test_fitted_model_reproduces_the_history(history: History) -> None:
    source = history_source(history)
    calibration = calibrate_model(source, start_run(source), WORLD.policy.version)
    assert calibration.recoveries == MANY_CASES
    assert calibration.real_rate == pytest.approx(float(history.is_recovered.mean()))
    assert calibration.ci_low < 0 < calibration.ci_high
    assert abs(calibration.gap) < 0.015
    assert calibration.version_share == 1
    assert calibration.warnings == ()


def test_wrong_model_is_reported(history: History) -> None:
    """The same cases with unfitted chances."""
    source = history_source(history)
    wrong_source = replace(
        source, fitted=replace(source.fitted, outcomes=replace(source.outcomes, base=np.full(13, 0.9)))
    )
    calibration = calibrate_model(wrong_source, start_run(wrong_source), WORLD.policy.version)
    assert calibration.gap > calibration.ci_low > 0
    assert "wins back" in calibration.warnings[0]
    assert "more of the recoveries than the policy really did" in calibration.warnings[0]


def test_the_gap_is_the_mean_difference_with_its_interval() -> None:
    source = history_source(a_history(recoveries_with_tries(50, 200)))
    calibration = calibrate_model(source, lambda cases: np.arange(len(cases)) % 2 == 0, "v1")
    real = source.history.is_recovered
    gaps = (np.arange(200) % 2 == 0).astype(float) - real
    assert calibration.gap == pytest.approx(0.25)
    assert calibration.ci_high - calibration.gap == pytest.approx(1.96 * gaps.std() / np.sqrt(200), rel=1e-3)


def test_few_attempts_and_other_policies_give_warnings(history: History) -> None:
    few = history_source(a_history(recoveries_with_tries(50, 200)))
    warnings = calibrate_model(few, start_run(few), "v1").warnings
    assert any(warning.startswith("Only 200 recorded retries stand behind the model") for warning in warnings)
    assert any("doesn't say which policy ran" in warning for warning in warnings)
    mixed = history_source(replace(history, decisions={WORLD.policy.version: 60, "older": 40}))
    calibration = calibrate_model(mixed, start_run(mixed), WORLD.policy.version)
    assert calibration.version_share == 0.6
    assert any("made only 60% of the recorded decisions" in warning for warning in calibration.warnings)


def test_only_ended_recoveries_are_compared(history: History) -> None:
    end = np.where(history.end == CHARGED, OPEN, history.end)
    source = history_source(replace(history, end=end))
    calibration = calibrate_model(source, start_run(source), WORLD.policy.version)
    assert calibration.recoveries == int((history.end != CHARGED).sum())
    all_open = history_source(replace(history, end=np.full(len(history), OPEN)))
    with pytest.raises(InvalidInput, match="no recovery has ended yet"):
        calibrate_model(all_open, start_run(all_open), WORLD.policy.version)


def test_open_windows_do_not_count_against_the_model() -> None:
    """The recovered ones have ended and the lost ones still wait: together they would look all recovered."""
    open_recoveries = [
        recovery_with_window(recovery, ends=NOON + 60 * DAY)
        for recovery in recoveries_with_tries(50, 100)
        if recovery.has_won_charge
    ]
    old = [recovery_with_window(recovery, ends=recovery.failed_at) for recovery in recoveries_with_tries(30, 150)]
    source = history_source(a_history([*open_recoveries, *old]))
    calibration = calibrate_model(source, start_run(source), WORLD.policy.version)
    assert (calibration.recoveries, calibration.real_rate) == (150, 30 / 150)


def test_without_closed_windows_ended_recoveries_are_compared() -> None:
    source = history_source(
        a_history([recovery_with_window(recovery, ends=NOON + 60 * DAY) for recovery in recoveries_with_tries(30, 150)])
    )
    assert calibrate_model(source, start_run(source), WORLD.policy.version).recoveries == 150


def test_cards_that_an_older_release_did_not_wait_for_are_named() -> None:
    early = [
        recovery._replace(window_ends_at=NOON + DAY, method_at=NOON + 60) if not recovery.has_won_charge else recovery
        for recovery in recoveries_with_tries(30, 150)
    ]
    source = history_source(a_history(early))
    assert any(
        warning.startswith("120 recoveries were closed with their last retry")
        for warning in calibration_warnings(source)
    )
    assert not any(
        "with their last retry" in warning
        for warning in calibration_warnings(history_source(a_history(recoveries_with_tries(30, 150))))
    )


def recovery_with_window(recovery: RecordedRecovery, ends: int) -> RecordedRecovery:
    """The recovery with another end of its window."""
    return recovery._replace(window_ends_at=ends)


def calibration_warnings(source: HistorySource) -> tuple[str, ...]:
    """The warnings of the calibration."""
    return calibrate_model(source, start_run(source), WORLD.policy.version).warnings
