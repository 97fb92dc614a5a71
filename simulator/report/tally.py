"""Sums over recovery results, in integers: the same in whatever order chunks are added."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from core.events import State
from simulator.engines.results import FINAL_STATES, RecoveryResults
from simulator.model.cases import Booleans, Cases, Integers
from simulator.model.success_chances import CAUSES

CURVE_DAYS: Final = 61
"""Days of the recovery curve, day 0 to day 60; later recoveries count on the last."""
WAIT_STEP: Final = 600
"""Resolution of the time to recovery, in seconds."""


@dataclass
class GroupSum:
    """Counts and recovered amount of a group of recoveries, in minor units."""

    recoveries: int = 0
    recovered: int = 0
    amount: int = 0

    def add(self, other: "GroupSum") -> None:
        """Adds the sums of another group to these."""
        self.recoveries += other.recoveries
        self.recovered += other.recovered
        self.amount += other.amount


@dataclass
class Tally:
    """The sums of one arm. Amounts in minor units, fees in minor units of USD."""

    whole: GroupSum = field(default_factory=GroupSum)
    charges: int = 0
    fees: int = 0
    fees_avoided: int = 0
    blocked: int = 0
    untried: int = 0
    won_untried: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    by_cause: dict[str, GroupSum] = field(default_factory=dict)
    by_segment: dict[str, GroupSum] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)
    """Number of recovered cases by time since the failure, in steps of WAIT_STEP."""

    def add(self, other: "Tally") -> None:
        """Adds the sums of another chunk to these."""
        self.whole.add(other.whole)
        for name in ("charges", "fees", "fees_avoided", "blocked", "untried", "won_untried"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.ends, other.ends), (self.waits, other.waits)):
            _add_counts(mine, theirs)
        for parts, more in ((self.by_cause, other.by_cause), (self.by_segment, other.by_segment)):
            for name, part in more.items():
                parts.setdefault(name, GroupSum()).add(part)


@dataclass
class PairedSums:
    """Paired differences of two arms over the same cases: their sums and sums of squares, amounts in minor units."""

    cases: int = 0
    gained: int = 0
    """Recovered by the candidate only."""
    lost: int = 0
    """Recovered by the baseline only."""
    amount: int = 0
    squares: int = 0
    """Sum of the squares of the differences in amount."""

    def add(self, other: "PairedSums") -> None:
        """Adds the sums of another chunk to these."""
        for name in ("cases", "gained", "lost", "amount", "squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def tally_results(cases: Cases, results: RecoveryResults, amounts: Integers) -> Tally:
    """The sums of one chunk; `amounts` are those of the cases in the report's currency."""
    won = results.is_recovered
    waited = (results.closed_at - cases.failed_at)[won] // WAIT_STEP
    return Tally(
        whole=GroupSum(len(results), int(won.sum()), int(amounts[won].sum())),
        charges=int(results.charges.sum()),
        fees=int(results.fees.sum()),
        fees_avoided=int(results.fees_avoided.sum()),
        blocked=int(results.blocked.sum()),
        untried=int(results.untried.sum()),
        won_untried=int(results.won_untried.sum()),
        ends=_count_ends(results),
        by_cause=_sum_groups(results.cause, tuple(cause.value for cause in CAUSES), won, amounts),
        by_segment=_sum_groups(results.segment, results.segments, won, amounts),
        waits=_count_values(waited),
    )


def pair_results(baseline: RecoveryResults, candidate: RecoveryResults, amounts: Integers) -> PairedSums:
    """The sums of the differences between candidate and baseline, case by case."""
    gained, lost = candidate.is_recovered & ~baseline.is_recovered, baseline.is_recovered & ~candidate.is_recovered
    # Squares of amounts in minor units may exceed int64: summed as Python integers.
    gaps = [*amounts[gained].tolist(), *(-one for one in amounts[lost].tolist())]
    return PairedSums(
        cases=len(baseline),
        gained=int(gained.sum()),
        lost=int(lost.sum()),
        amount=sum(gaps),
        squares=sum(gap * gap for gap in gaps),
    )


def _count_ends(results: RecoveryResults) -> dict[str, int]:
    # State and reason in one number, so that one pass over the column counts all pairs.
    counts = _count_values(results.state * len(results.reasons) + results.reason)
    names = {key: divmod(key, len(results.reasons)) for key in counts}
    return {f"{_final_state(state)}: {results.reasons[reason]}": counts[key] for key, (state, reason) in names.items()}


def _final_state(number: int) -> State:
    return FINAL_STATES[number]


def _sum_groups(column: Integers, names: tuple[str, ...], won: Booleans, amounts: Integers) -> dict[str, GroupSum]:
    all_of = np.bincount(column, minlength=len(names))
    won_of = np.bincount(column[won], minlength=len(names))
    found: dict[str, GroupSum] = {}
    amount_of = _sum_by_group(column[won], amounts[won], len(names))
    for number in np.flatnonzero(all_of).tolist():
        amount = amount_of[number]
        found.setdefault(names[number], GroupSum()).add(GroupSum(int(all_of[number]), int(won_of[number]), amount))
    return found


def _sum_by_group(column: Integers, amounts: Integers, groups: int) -> list[int]:
    """The sum of the amounts of each group, exact."""
    # bincount sums floats: each half of an amount has 32 bits, so that a million of them still is exact.
    low = np.bincount(column, weights=amounts & 0xFFFFFFFF, minlength=groups).astype(np.int64)
    high = np.bincount(column, weights=amounts >> 32, minlength=groups).astype(np.int64)
    return [(int(above) << 32) + int(below) for above, below in zip(high, low, strict=True)]


def _count_values(values: Integers) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _add_counts(mine: dict[str, int] | dict[int, int], theirs: dict[str, int] | dict[int, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count  # type: ignore[index,arg-type]
