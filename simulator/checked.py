"""A history as a source, with how well its model tells its own history again."""

from typing import NamedTuple

from simulator.assumptions import Assumptions
from simulator.calibration import calibrate_model
from simulator.fate import OutcomeModels
from simulator.past import History
from simulator.recorded_source import build_history_source
from simulator.result import Calibration
from simulator.runner import choose_engine
from simulator.source import Source
from simulator.world import World


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
