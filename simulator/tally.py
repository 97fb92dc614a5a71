"""Sums over journeys, in whole numbers: added up in any order they are the same, to the last bit."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from core.events import State
from simulator.cases import Booleans, Cases, Integers
from simulator.journeys import FINAL, Journeys
from simulator.outcomes import CAUSES

DAYS: Final = 61
"""Of the recovery curve: day 0 to day 60; later counts as the last."""
BIN: Final = 600
"""Seconds: how finely the time to recovery is known."""


@dataclass
class Part:
    """A group of recoveries."""

    recoveries: int = 0
    recovered: int = 0
    amount: int = 0

    def add(self, other: "Part") -> None:
        """Take these in."""
        self.recoveries += other.recoveries
        self.recovered += other.recovered
        self.amount += other.amount


@dataclass
class Tally:
    """One arm's sums. Amounts in minor units."""

    whole: Part = field(default_factory=Part)
    charges: int = 0
    fees: int = 0
    fees_avoided: int = 0
    blocked: int = 0
    untried: int = 0
    won_untried: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    by_cause: dict[str, Part] = field(default_factory=dict)
    by_segment: dict[str, Part] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)
    """Recovered ones by time since the failure, in steps of BIN."""

    def add(self, other: "Tally") -> None:
        """Take another chunk in."""
        self.whole.add(other.whole)
        for name in ("charges", "fees", "fees_avoided", "blocked", "untried", "won_untried"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.ends, other.ends), (self.waits, other.waits)):
            _sum(mine, theirs)
        for parts, more in ((self.by_cause, other.by_cause), (self.by_segment, other.by_segment)):
            for name, part in more.items():
                parts.setdefault(name, Part()).add(part)


@dataclass
class Paired:
    """What two arms made of the same cases: sums of differences and of their squares."""

    cases: int = 0
    gained: int = 0
    """Recovered by the candidate only."""
    lost: int = 0
    """Recovered by the baseline only."""
    amount: int = 0
    squares: int = 0
    """Of the differences in amount."""

    def add(self, other: "Paired") -> None:
        """Take another chunk in."""
        for name in ("cases", "gained", "lost", "amount", "squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def tallied(cases: Cases, told: Journeys, amounts: Integers) -> Tally:
    """The sums of one chunk; `amounts` are those of the cases in the report's currency."""
    won = told.recovered
    waited = (told.closed_at - cases.failed_at)[won] // BIN
    return Tally(
        whole=Part(len(told), int(won.sum()), int(amounts[won].sum())),
        charges=int(told.charges.sum()),
        fees=int(told.fees.sum()),
        fees_avoided=int(told.fees_avoided.sum()),
        blocked=int(told.blocked.sum()),
        untried=int(told.untried.sum()),
        won_untried=int(told.won_untried.sum()),
        ends=_ends(told),
        by_cause=_parts(told.cause, tuple(cause.value for cause in CAUSES), won, amounts),
        by_segment=_parts(told.segment, told.segments, won, amounts),
        waits=_counts(waited),
    )


def paired(baseline: Journeys, candidate: Journeys, amounts: Integers) -> Paired:
    """How the candidate differs, case by case."""
    gained, lost = candidate.recovered & ~baseline.recovered, baseline.recovered & ~candidate.recovered
    gaps = [*amounts[gained].tolist(), *(-one for one in amounts[lost].tolist())]
    return Paired(
        cases=len(baseline),
        gained=int(gained.sum()),
        lost=int(lost.sum()),
        amount=sum(gaps),
        squares=sum(gap * gap for gap in gaps),
    )


def _ends(told: Journeys) -> dict[str, int]:
    counts = _counts(told.state * len(told.reasons) + told.reason)
    names = {key: divmod(key, len(told.reasons)) for key in counts}
    return {f"{_state(state)}: {told.reasons[reason]}": counts[key] for key, (state, reason) in names.items()}


def _state(number: int) -> State:
    return FINAL[number]


def _parts(column: Integers, names: tuple[str, ...], won: Booleans, amounts: Integers) -> dict[str, Part]:
    all_of = np.bincount(column, minlength=len(names))
    won_of = np.bincount(column[won], minlength=len(names))
    found: dict[str, Part] = {}
    for number in np.flatnonzero(all_of).tolist():
        amount = int(amounts[won & (column == number)].sum())
        found.setdefault(names[number], Part()).add(Part(int(all_of[number]), int(won_of[number]), amount))
    return found


def _counts(values: Integers) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _sum(mine: dict[str, int] | dict[int, int], theirs: dict[str, int] | dict[int, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count  # type: ignore[index,arg-type]
