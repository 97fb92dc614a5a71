"""Calibration: simulates the baseline policy over recorded cases and compares the rate with what really happened."""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Final

import numpy as np

from core.errors import InvalidInput
from core.formatting import format_percent, format_points
from core.rates import Z_95
from simulator.history.columns import OPEN, STOPPED, History
from simulator.history.recorded_source import HistorySource
from simulator.model.cases import Booleans, Cases, Integers
from simulator.report.result import Calibration

FEW_ATTEMPTS: Final = 1_000
"""Attempts below which fitted numbers are mostly the assumed ones."""
SAME_VERSION_SHARE: Final = 0.9
"""Share of decisions that the baseline's version must have made to be called the policy that ran."""
CHUNK: Final = 50_000

SimulateCases = Callable[[Cases], Booleans]
"""Simulates cases under the baseline policy and returns which were recovered."""


def calibrate_model(source: HistorySource, run: SimulateCases, policy_version: str) -> Calibration:
    """The simulated and the real recovery rate, over recoveries whose window is over and that weren't stopped.

    The 95 percent interval is that of the mean paired difference, so it contains the chance of each single recovery.
    Raises InvalidInput where no recovery has ended.
    """
    history = source.history
    simulated, real = _compare_ends(source, run)
    if len(real) == 0:
        raise InvalidInput(f"{history.name}: no recovery has ended yet, so there is nothing to compare with.")
    gaps = simulated.astype(np.float64) - real
    gap, reach = float(gaps.mean()), Z_95 * float(gaps.std()) / sqrt(len(gaps))
    found = Calibration(
        recoveries=len(real),
        real_rate=float(real.mean()),
        simulated_rate=float(simulated.mean()),
        gap=gap,
        ci_low=gap - reach,
        ci_high=gap + reach,
        version_share=recorded_version_share(history, policy_version),
    )
    return found.model_copy(update={"warnings": tuple(_list_warnings(found, history))})


def _compare_ends(source: HistorySource, run: SimulateCases) -> tuple[Booleans, Booleans]:
    """Whether each comparable recovery was recovered, simulated and in reality; each recovery once."""
    history = source.history
    count = min(len(source), len(source.rows))
    simulated = [run(source.cases(first, CHUNK)) for first in range(0, count, CHUNK)]
    rows = source.rows[:count]
    known = _is_comparable(history, rows)
    return np.concatenate(simulated)[:count][known], history.is_recovered[rows][known]


def _is_comparable(history: History, rows: Integers) -> Booleans:
    """Which recoveries can be compared: those whose window is over, or all that have ended where no window is over.

    Of younger ones only the successes have ended, so counting them would overstate the real rate.
    """
    ended = ~np.isin(history.end[rows], (OPEN, STOPPED))
    whole = ended & (history.window_ends[rows] <= history.seen_until)
    return whole if whole.any() else ended


def recorded_version_share(history: History, policy_version: str) -> float:
    """The share of recorded decisions made by this policy version; 0 where none is recorded."""
    made = sum(history.decisions.values())
    return history.decisions.get(policy_version, 0) / made if made else 0.0


def _list_warnings(found: Calibration, history: History) -> Iterator[str]:
    if found.ci_low > 0 or found.ci_high < 0:
        gap = f"{format_percent(abs(found.gap))} {'more' if found.gap > 0 else 'less'}"
        interval = f"{format_points(found.ci_low)} to {format_points(found.ci_high)} percentage points"
        yield (
            f"The model does not tell again what happened: it wins back {gap} of the recoveries "
            f"than the policy really did (95% interval: {interval}). Don't "
            "trust a comparison that is smaller than this gap."
        )
    tried = int(history.charges.scheduled.sum())
    if tried < FEW_ATTEMPTS:
        yield (
            f"Only {tried} recorded retries stand behind the model; with fewer than "
            f"{FEW_ATTEMPTS} it leans to assumptions."
        )
    if late := history.cards_not_charged:
        yield (
            f"{late} recoveries were closed with their last retry, as older releases did, and got another card before "
            "their window was over: nobody charged it, and the model does."
        )
    if not history.decisions:
        yield "The history doesn't say which policy ran, so the baseline may be another one than did."
    elif found.version_share < SAME_VERSION_SHARE:
        yield (
            f"The baseline's version made only {format_percent(found.version_share, 0)} of the recorded decisions, so "
            "the gap is also that between it and the policies that really ran."
        )
