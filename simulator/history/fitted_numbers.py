"""Every fitted number in words: what it came to, from what, and how many attempts stand behind it."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from simulator.history.fit import CHANCE_STRENGTH, FACTOR_STRENGTH, HAZARD_STRENGTH, FittedModel
from simulator.model.draws import Floats
from simulator.model.source import Assumption
from simulator.model.success_chances import CAUSES

DELAY_NAMES: Final = ("0-6 h", "6-12 h", "12-24 h", "24-48 h", "48-72 h", "72-120 h", "120-168 h", "168 h and later")
DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PRIOR_SOURCE: Final = "believed: nothing of it was recorded"
SELECTION_WEAKNESS: Final = "who was tried so, and when, was decided by the policies that ran, not by lot"
CENSORING_WEAKNESS: Final = (
    "most were lost sight of when a charge won; that is taken to say nothing of whether they'd have acted"
)


def list_fitted_assumptions(fitted: FittedModel) -> Iterator[Assumption]:
    """All of them; numbers that nothing was recorded of are there too, and say so."""
    found, before, counts = fitted.outcomes, fitted.prior.outcomes, fitted.counts
    causes = [cause.value for cause in CAUSES]
    chance, factor = f"{CHANCE_STRENGTH:.0f} attempts", f"{FACTOR_STRENGTH:.0f} successes"
    yield from _to_assumptions("base.chances", causes, found.base, before.base, counts.base, chance)
    numbers = [str(number) for number in range(1, len(found.attempts) + 1)]
    yield from _to_assumptions("attempts.factors", numbers, found.attempts, before.attempts, counts.attempts, factor)
    yield from _to_assumptions("delays.factors", DELAY_NAMES, found.delays, before.delays, counts.delays, factor)
    hours = [f"{hour:02d}:00" for hour in range(24)]
    yield from _to_assumptions("hours.factors", hours, found.hours, before.hours, counts.hours, factor)
    yield from _to_assumptions("weekdays.factors", DAY_NAMES, found.weekdays, before.weekdays, counts.weekdays, factor)
    yield _to_assumption("payday.factor", found.payday, before.payday, counts.payday, factor)
    yield _to_assumption("new_method.chance", found.new_method, before.new_method, counts.new_method, chance)
    watched = f"{HAZARD_STRENGTH:.0f} customers in each step of time"
    now, then = fitted.behaviour, fitted.prior.behaviour
    for name, habit, old, many in (
        ("paid_without_a_charge", now.paid, then.paid, counts.paid),
        ("another_card", now.method, then.method, counts.method),
    ):
        shares, believed = habit.cumulative_shares[:, -1], old.cumulative_shares[:, -1]
        for row in _to_assumptions(name, causes, shares, believed, many, watched):
            fitted_here = row.attempts and not row.source.startswith(PRIOR_SOURCE)
            words = row.source.replace("attempts,", "customers,") if fitted_here else row.source
            yield row.model_copy(
                update={"source": words, "weakness": CENSORING_WEAKNESS if fitted_here else row.weakness}
            )


def _to_assumptions(
    group: str,
    names: Sequence[str],
    found: Floats,
    before: Floats,
    counts: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    strength: str,
) -> Iterator[Assumption]:
    for number, name in enumerate(names):
        yield _to_assumption(
            f"{group}.{name}", float(found[number]), float(before[number]), int(counts[number]), strength
        )


def _to_assumption(name: str, found: float, before: float, attempts: int, strength: str) -> Assumption:
    if attempts == 0:
        return Assumption(
            name=name, value=f"{found:.4g}", source=PRIOR_SOURCE, weakness="not this merchant's own number", attempts=0
        )
    source = f"fitted to {attempts} recorded attempts, with {before:.4g} believed before as if by {strength}"
    return Assumption(name=name, value=f"{found:.4g}", source=source, weakness=SELECTION_WEAKNESS, attempts=attempts)
