"""Every fitted number in words: what it came to, from what, and how many attempts stand behind it."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from simulator.draws import Floats
from simulator.fit import CHANCE_STRENGTH, FACTOR_STRENGTH, HABIT_STRENGTH, Fitted
from simulator.outcomes import CAUSES
from simulator.result import Assumption

DELAYS: Final = ("0-6 h", "6-12 h", "12-24 h", "24-48 h", "48-72 h", "72-120 h", "120-168 h", "168 h and later")
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PRIOR: Final = "believed: nothing of it was recorded"
SELECTED: Final = "who was tried so, and when, was decided by the policies that ran, not by lot"
CENSORED: Final = "most were lost sight of when a charge won; that is taken to say nothing of whether they'd have acted"


def listed(fitted: Fitted) -> Iterator[Assumption]:
    """All of them; numbers that nothing was recorded of are there too, and say so."""
    found, before, counts = fitted.outcomes, fitted.prior.outcomes, fitted.counts
    causes = [cause.value for cause in CAUSES]
    chance, factor = f"{CHANCE_STRENGTH:.0f} attempts", f"{FACTOR_STRENGTH:.0f} successes"
    yield from _rows("base.chances", causes, found.base, before.base, counts.base, chance)
    numbers = [str(number) for number in range(1, len(found.attempts) + 1)]
    yield from _rows("attempts.factors", numbers, found.attempts, before.attempts, counts.attempts, factor)
    yield from _rows("delays.factors", DELAYS, found.delays, before.delays, counts.delays, factor)
    hours = [f"{hour:02d}:00" for hour in range(24)]
    yield from _rows("hours.factors", hours, found.hours, before.hours, counts.hours, factor)
    yield from _rows("weekdays.factors", DAYS, found.weekdays, before.weekdays, counts.weekdays, factor)
    yield _row("payday.factor", found.payday, before.payday, counts.payday, factor)
    yield _row("new_method.chance", found.new_method, before.new_method, counts.new_method, chance)
    watched = f"{HABIT_STRENGTH:.0f} customers in each step of time"
    now, then = fitted.behaviour, fitted.prior.behaviour
    for name, habit, old, many in (
        ("paid_without_a_charge", now.paid, then.paid, counts.paid),
        ("another_card", now.method, then.method, counts.method),
    ):
        shares, believed = habit.shares[:, -1], old.shares[:, -1]
        for row in _rows(name, causes, shares, believed, many, watched):
            fitted_here = row.attempts and not row.source.startswith(PRIOR)
            words = row.source.replace("attempts,", "customers,") if fitted_here else row.source
            yield row.model_copy(update={"source": words, "weakness": CENSORED if fitted_here else row.weakness})


def _rows(
    group: str,
    names: Sequence[str],
    found: Floats,
    before: Floats,
    counts: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    strength: str,
) -> Iterator[Assumption]:
    for number, name in enumerate(names):
        yield _row(f"{group}.{name}", float(found[number]), float(before[number]), int(counts[number]), strength)


def _row(name: str, found: float, before: float, attempts: int, strength: str) -> Assumption:
    if attempts == 0:
        return Assumption(
            name=name, value=f"{found:.4g}", source=PRIOR, weakness="not this merchant's own number", attempts=0
        )
    source = f"fitted to {attempts} recorded attempts, with {before:.4g} believed before as if by {strength}"
    return Assumption(name=name, value=f"{found:.4g}", source=source, weakness=SELECTED, attempts=attempts)
