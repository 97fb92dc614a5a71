"""A history as a source, with how well its model tells its own history again."""

from typing import NamedTuple

from simulator.assumptions import Assumptions
from simulator.calibration import calibrated
from simulator.fate import Fates
from simulator.past import History
from simulator.recorded_source import source_of
from simulator.result import Calibration
from simulator.runner import engine
from simulator.source import Source
from simulator.world import World


class Checked(NamedTuple):
    """Cases, and whether their chances are to be believed."""

    source: Source
    calibration: Calibration | None = None
    """None where nothing is recorded that could be told again."""


def checked(found: History, believed: Assumptions, baseline: World, *, recoveries: int | None, seed: int) -> Checked:
    """The history fitted, and the baseline simulated over it and held against what really happened.

    Raises InvalidInput for a history with too few attempts.
    """
    source = source_of(found, believed, recoveries=recoveries, seed=seed)
    simulated = engine(baseline, Fates(source.outcomes, seed))
    return Checked(source, calibrated(source, lambda cases: simulated.run(cases).recovered, baseline.policy.version))
