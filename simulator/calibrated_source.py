"""A history as a source, with the calibration of its fitted model."""

from typing import NamedTuple

from simulator.engines.arm import World
from simulator.history.calibration import calibrate_model
from simulator.history.columns import History
from simulator.history.recorded_source import build_history_source
from simulator.model.assumptions import Assumptions
from simulator.model.outcome_model import OutcomeModels
from simulator.model.source import Source
from simulator.report.result import Calibration
from simulator.runner import choose_engine


class CalibratedSource(NamedTuple):
    """A source of cases, and how well its outcome model reproduces the recorded recovery rate."""

    source: Source
    calibration: Calibration | None = None
    """None if there is no record to compare with."""


def calibrate_history(
    found: History, assumptions: Assumptions, baseline: World, *, recoveries: int | None, seed: int
) -> CalibratedSource:
    """Fits a model to the history, simulates the baseline over it and compares the result with what really happened.

    Raises InvalidInput for a history with too few attempts or without an ended recovery.
    """
    source = build_history_source(found, assumptions, recoveries=recoveries, seed=seed)
    simulated = choose_engine(baseline, OutcomeModels(source.outcomes, seed))
    return CalibratedSource(
        source, calibrate_model(source, lambda cases: simulated.run(cases).is_recovered, baseline.policy.version)
    )
