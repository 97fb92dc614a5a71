"""A history as a source, with how well its model tells its own history again."""

from typing import NamedTuple

from simulator.engines.arm import World
from simulator.history.calibration import calibrate_model
from simulator.history.columns import History
from simulator.history.recorded_source import build_history_source
from simulator.model.assumptions import Assumptions
from simulator.model.charge_outcomes import OutcomeModels
from simulator.model.source import Source
from simulator.report.result import Calibration
from simulator.runner import choose_engine


class CalibratedSource(NamedTuple):
    """Cases, and whether their chances are to be believed."""

    source: Source
    calibration: Calibration | None = None
    """None where nothing is recorded that could be told again."""


def calibrate_history(
    found: History, assumptions: Assumptions, baseline: World, *, recoveries: int | None, seed: int
) -> CalibratedSource:
    """The history fitted, and the baseline simulated over it and held against what really happened.

    Raises InvalidInput for a history with too few attempts.
    """
    source = build_history_source(found, assumptions, recoveries=recoveries, seed=seed)
    simulated = choose_engine(baseline, OutcomeModels(source.outcomes, seed))
    return CalibratedSource(
        source, calibrate_model(source, lambda cases: simulated.run(cases).is_recovered, baseline.policy.version)
    )
