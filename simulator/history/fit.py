"""Fits the model to a history by partial pooling: every number starts at its prior and moves towards the recorded value
as far as attempts support it.

Where nothing was recorded a number keeps its prior exactly; with very many attempts it is the recorded value. The prior
of a chance counts as CHANCE_STRENGTH pseudo-attempts (the mean of a Beta posterior); that of a factor as
FACTOR_STRENGTH pseudo-successes (the mean of a Gamma posterior), against the successes expected from all else.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.classification.taxonomy import Cause
from simulator.history.columns import History, RecordedCharges
from simulator.model.behaviour import BEGINS, ENDS, ActionHazard, Behaviour
from simulator.model.cases import NEVER, Booleans, Integers
from simulator.model.draws import Floats
from simulator.model.local_clocks import LocalClocks
from simulator.model.success_chances import (
    CAUSE_INDEX,
    CAUSES,
    DELAY_CLASSES,
    LAST_ATTEMPT,
    OutcomeChances,
    classify_delays,
)

CHANCE_STRENGTH: Final = 50.0
"""Pseudo-attempts behind the prior of each chance."""
FACTOR_STRENGTH: Final = 25.0
"""Pseudo-successes behind the prior of each factor."""
HAZARD_STRENGTH: Final = 50.0
"""Pseudo-customers behind the prior of each hazard in a time step."""
ROUNDS: Final = 200
"""The most rounds of the iteration; it stops when no number changes by CONVERGENCE."""
CONVERGENCE: Final = 1e-7
CLOCK_MARGIN: Final = 86_400


@dataclass(frozen=True, eq=False)
class Prior:
    """The assumed model, before anything recorded is taken into account."""

    outcomes: OutcomeChances
    behaviour: Behaviour


@dataclass(frozen=True, eq=False)
class Counts:
    """The evidence behind each fitted number: recorded attempts, or customers observed."""

    base: Integers
    attempts: Integers
    delays: Integers
    hours: Integers
    weekdays: Integers
    payday: int
    new_method: int
    paid: Integers
    """By cause."""
    method: Integers
    """By cause."""


@dataclass(frozen=True, eq=False)
class FittedModel:
    """The fitted model, with its evidence and its prior."""

    outcomes: OutcomeChances
    behaviour: Behaviour
    counts: Counts
    prior: Prior


@dataclass(frozen=True, eq=False)
class _Cells:
    """Scheduled retries with equal levels of every factor, aggregated: a row per distinct combination."""

    levels: dict[str, Integers]
    """By group of numbers: the index of the number that applies to each cell."""
    attempts: Floats
    won: Floats


class _PooledFit:
    """Fits all groups of numbers by coordinate-wise updates, starting from their priors."""

    def __init__(self, cells: _Cells, prior: dict[str, Floats], cap: float) -> None:
        self._cells, self._prior, self._cap = cells, prior, cap
        self.numbers = {name: values.copy() for name, values in prior.items()}

    def fit_factors(self) -> dict[str, Floats]:
        """Updates each group in turn until none changes by CONVERGENCE, at most ROUNDS times."""
        for _ in range(ROUNDS):
            before = {name: values.copy() for name, values in self.numbers.items()}
            for name in self.numbers:
                self._update_group(name)
            if max(float(np.abs(self.numbers[name] - before[name]).max()) for name in before) < CONVERGENCE:
                break
        return self.numbers

    def _update_group(self, name: str) -> None:
        """Sets one group to its posterior mean, with all other groups fixed."""
        level, prior = self._cells.levels[name], self._prior[name]
        others = self._cells.attempts.copy()
        for other, values in self.numbers.items():
            if other != name:
                others *= values[self._cells.levels[other]]
        exposed, won = (_weighted_sums(level, weights, len(prior)) for weights in (others, self._cells.won))
        if name == "base":
            mean = (won + CHANCE_STRENGTH * prior) / (exposed + CHANCE_STRENGTH)
            self.numbers[name] = np.where(exposed > 0, np.minimum(mean, self._cap), prior)
        else:
            self.numbers[name] = _relative_factors(won, exposed, prior)


def _relative_factors(won: Floats, exposed: Floats, prior: Floats) -> Floats:
    """The posterior mean of the factors of one group, from which the common level is divided out.

    Only differences between levels are factors; without the division they and the chances by cause could drift apart.
    """
    expected = float((exposed * prior).sum())
    common = float(won.sum()) / expected if expected > 0 else 0.0
    if common == 0.0:
        return prior.copy()
    found = (won / common + FACTOR_STRENGTH * prior) / (exposed + FACTOR_STRENGTH)
    return np.asarray(np.where(exposed > 0, found, prior))


def fit_history(history: History, prior: Prior) -> FittedModel:
    """The fitted model with the counts behind each number. Deterministic in history and prior."""
    tried = history.charges
    usual = np.flatnonzero(tried.scheduled & ~tried.fresh)
    levels = _attempt_levels(history, usual)
    start = prior.outcomes
    prior_numbers = {
        "base": start.base,
        "attempts": start.attempts,
        "delays": start.delays,
        "hours": start.hours,
        "weekdays": start.weekdays,
        "payday": np.array([1.0, start.payday]),
    }
    numbers = _PooledFit(_group_cells(levels, tried.won[usual]), prior_numbers, start.cap).fit_factors()
    method, given = _new_method_chance(tried, start.new_method)
    outcomes = replace(
        start,
        base=numbers["base"],
        attempts=numbers["attempts"],
        delays=numbers["delays"],
        hours=numbers["hours"],
        weekdays=numbers["weekdays"],
        payday=float(numbers["payday"][1]),
        new_method=method,
        recorded_attempts=_count_attempts(levels),
    )
    behaviour, paid, cards = _fit_behaviour(history, prior.behaviour)
    return FittedModel(outcomes, behaviour, _count_evidence(levels, given, paid, cards), prior)


def _attempt_levels(history: History, rows: Integers) -> dict[str, Integers]:
    """By group: the index of the number that applies to each attempt."""
    tried = history.charges
    cause, at = tried.cause[rows], tried.at[rows]
    if len(rows) == 0:
        return {name: rows for name in ("base", "attempts", "delays", "hours", "weekdays", "payday")}
    clocks = LocalClocks(history.book.payers, int(at.min()) - CLOCK_MARGIN, int(at.max()) + CLOCK_MARGIN)
    local = clocks.local_time(history.payer[tried.recovery[rows]], at)
    return {
        "base": cause,
        "attempts": np.clip(tried.retry[rows], 1, LAST_ATTEMPT) - 1,
        "delays": classify_delays(tried.waited[rows]),
        "hours": local.hour,
        "weekdays": local.weekday,
        "payday": (local.payday & (cause == CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS])).astype(np.int64),
    }


def _group_cells(levels: dict[str, Integers], won: Booleans) -> _Cells:
    shape = (len(CAUSES), LAST_ATTEMPT, DELAY_CLASSES, 24, 7, 2)
    flat = np.ravel_multi_index(tuple(levels.values()), shape)
    kinds, place = np.unique(flat, return_inverse=True)
    known = np.unravel_index(kinds, shape)
    return _Cells(
        levels={name: known[number].astype(np.int64) for number, name in enumerate(levels)},
        attempts=_weighted_sums(place, np.ones(len(place)), len(kinds)),
        won=_weighted_sums(place, won, len(kinds)),
    )


def _count_attempts(levels: dict[str, Integers]) -> Integers:
    """Recorded attempts by cause, attempt and delay class."""
    shape = (len(CAUSES), LAST_ATTEMPT, DELAY_CLASSES)
    flat = np.ravel_multi_index((levels["base"], levels["attempts"], levels["delays"]), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def _new_method_chance(tried: RecordedCharges, prior: float) -> tuple[float, int]:
    """The fitted chance of the first charge of another card, and the number of such charges recorded."""
    made, won = int(tried.fresh.sum()), int((tried.fresh & tried.won).sum())
    return (won + CHANCE_STRENGTH * prior) / (made + CHANCE_STRENGTH) if made else prior, made


def _count_evidence(levels: dict[str, Integers], given: int, paid: Integers, method: Integers) -> Counts:
    def count_level(name: str, size: int) -> Integers:
        return np.bincount(levels[name], minlength=size).astype(np.int64)

    return Counts(
        base=count_level("base", len(CAUSES)),
        attempts=count_level("attempts", LAST_ATTEMPT),
        delays=count_level("delays", DELAY_CLASSES),
        hours=count_level("hours", 24),
        weekdays=count_level("weekdays", 7),
        payday=int(levels["payday"].sum()),
        new_method=given,
        paid=paid,
        method=method,
    )


def _fit_behaviour(history: History, prior: Behaviour) -> tuple[Behaviour, Integers, Integers]:
    """The fitted hazards of payment and new card, and by cause the number of customers observed for each."""
    until = history.watched_until - history.failed_at
    paid, given = (_seconds_after(at, history.failed_at) for at in (history.paid_at, history.method_at))
    watched = np.bincount(history.cause, weights=until > 0, minlength=len(CAUSES)).astype(np.int64)
    behaviour = Behaviour(
        paid=_fit_hazard(history.cause, paid, until, prior.paid),
        # Whoever has paid needs no other card.
        method=_fit_hazard(history.cause, given, np.minimum(until, paid), prior.method),
    )
    return behaviour, watched, watched


def _seconds_after(at: Integers, failed_at: Integers) -> Integers:
    return np.where(at == NEVER, NEVER, np.maximum(np.where(at == NEVER, 0, at) - failed_at, 0))


def _fit_hazard(cause: Integers, acted: Integers, until: Integers, prior: ActionHazard) -> ActionHazard:
    """An actuarial life table with pooling: in each step, the share who acted of those at risk.

    Customers censored within a step count half there. Censoring, mostly by a successful charge, is assumed to be
    independent of whether they would have acted.
    """
    chances = prior.chances.copy()
    seen = np.where(acted <= until, acted, NEVER)
    left = np.minimum(seen, until)
    for step, (begin, end) in enumerate(zip(BEGINS.tolist(), ENDS.tolist(), strict=True)):
        here = left >= begin
        acting = here & (seen < end) & (seen >= begin)
        lost = here & (left < end) & ~acting
        watched = _sum_by_cause(cause, here) - 0.5 * _sum_by_cause(cause, lost)
        found = (_sum_by_cause(cause, acting) + HAZARD_STRENGTH * prior.chances[:, step]) / (watched + HAZARD_STRENGTH)
        chances[:, step] = np.where(watched > 0, np.minimum(found, 1.0), prior.chances[:, step])
    return ActionHazard(chances)


def _sum_by_cause(cause: Integers, flags: Booleans) -> Floats:
    return _weighted_sums(cause, flags, len(CAUSES))


def _weighted_sums(place: Integers, weights: Floats | Booleans, size: int) -> Floats:
    """The sum of the weights at each index below `size`."""
    return np.bincount(place, weights=weights, minlength=size).astype(np.float64)
