"""Calibration: a model of the world that the history is from tells it again; one of another world doesn't."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InvalidInput
from simulator.assumptions import shipped
from simulator.calibration import Run, calibrated
from simulator.cases import Booleans, Cases
from simulator.fate import Fates
from simulator.past import CHARGED, OPEN, History
from simulator.population import SyntheticSource
from simulator.recorded_source import HistorySource, source_of
from simulator.runner import engine
from tests.simulator.lived import lived
from tests.simulator.made import a_world
from tests.simulator.test_fit import a_history, different, tries

BELIEVED = shipped()
WORLD = a_world()
MANY = 12_000


@pytest.fixture(scope="module")
def history() -> History:
    """Of a world unlike the believed one."""
    cases = SyntheticSource(BELIEVED, MANY, 3).cases(0, MANY)
    return lived(cases, different(BELIEVED.outcomes()), WORLD)


def running(source: HistorySource, seed: int = 9) -> Run:
    def run(cases: Cases) -> Booleans:
        return engine(WORLD, Fates(source.outcomes, seed)).run(cases).recovered

    return run


def of(history: History) -> HistorySource:
    return source_of(history, BELIEVED, recoveries=None, seed=1)


def test_a_fitted_model_tells_again_what_happened(history: History) -> None:
    source = of(history)
    found = calibrated(source, running(source), WORLD.policy.version)
    assert found.recoveries == MANY
    assert found.real_rate == pytest.approx(float(history.recovered.mean()))
    assert found.ci_low < 0 < found.ci_high
    assert abs(found.gap) < 0.015
    assert found.version_share == 1
    assert found.warnings == ()


def test_a_wrong_model_is_told(history: History) -> None:
    """The same cases with chances that nobody fitted."""
    source = of(history)
    wrong = replace(source, fitted=replace(source.fitted, outcomes=replace(source.outcomes, base=np.full(13, 0.9))))
    found = calibrated(wrong, running(wrong), WORLD.policy.version)
    assert found.gap > found.ci_low > 0
    assert "wins back" in found.warnings[0]
    assert "more of the recoveries than the policy really did" in found.warnings[0]


def test_the_gap_is_the_mean_difference_with_its_interval() -> None:
    source = of(a_history(tries(50, 200)))
    found = calibrated(source, lambda cases: np.arange(len(cases)) % 2 == 0, "v1")
    real = source.history.recovered
    gaps = (np.arange(200) % 2 == 0).astype(float) - real
    assert found.gap == pytest.approx(0.25)
    assert found.ci_high - found.gap == pytest.approx(1.96 * gaps.std() / np.sqrt(200), rel=1e-3)


def test_few_attempts_and_other_policies_are_told(history: History) -> None:
    few = of(a_history(tries(50, 200)))
    said = calibrated(few, running(few), "v1").warnings
    assert any(one.startswith("Only 200 recorded retries stand behind the model") for one in said)
    assert any("doesn't say which policy ran" in one for one in said)
    mixed = of(replace(history, decisions={WORLD.policy.version: 60, "older": 40}))
    found = calibrated(mixed, running(mixed), WORLD.policy.version)
    assert found.version_share == 0.6
    assert any("made only 60% of the recorded decisions" in one for one in found.warnings)


def test_only_what_has_ended_is_compared(history: History) -> None:
    end = np.where(history.end == CHARGED, OPEN, history.end)
    source = of(replace(history, end=end))
    found = calibrated(source, running(source), WORLD.policy.version)
    assert found.recoveries == int((history.end != CHARGED).sum())
    nothing = of(replace(history, end=np.full(len(history), OPEN)))
    with pytest.raises(InvalidInput, match="no recovery has ended yet"):
        calibrated(nothing, running(nothing), WORLD.policy.version)
