"""Recorded cases with chances fitted to their outcomes, as a source for dry runs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from core.errors import InvalidInput
from simulator.history.columns import STOPPED, History
from simulator.history.fit import FittedModel, Prior, fit_history
from simulator.history.fitted_numbers import list_fitted_assumptions
from simulator.model.assumptions import Assumptions
from simulator.model.behaviour import Behaviour, behaviour_from_assumptions
from simulator.model.cases import NEVER, Booleans, Cases, Integers
from simulator.model.draws import Stream, Words, draw_uniforms
from simulator.model.source import Assumption
from simulator.model.success_chances import OutcomeChances

MIN_ATTEMPTS: Final = 100
"""With fewer attempts the 95 percent interval of one single chance is wider than 10 points either way."""


@dataclass(frozen=True, eq=False)
class HistorySource:
    """`simulator.model.source.Source` over a history. Case n is the same in every chunk, process and order."""

    history: History
    fitted: FittedModel
    rows: Integers
    """Of the history: those that can be simulated, the newest as many as are wanted."""
    recoveries: int
    seed: int
    behaviour: Behaviour

    @property
    def name(self) -> str:
        """`history`, or the file's name."""
        return self.history.name

    def __len__(self) -> int:
        return self.recoveries

    @property
    def outcomes(self) -> OutcomeChances:
        """Fitted, with the attempts that stand behind each chance."""
        return self.fitted.outcomes

    @cached_property
    def currency(self) -> str:
        """The most frequent one."""
        return self._currencies[0][0]

    @cached_property
    def _currencies(self) -> list[tuple[str, int]]:
        """With how many recoveries each has, the most frequent first."""
        counts: dict[str, int] = {}
        payers, often = np.unique(self.history.payer[self.rows], return_counts=True)
        for payer, many in zip(payers.tolist(), often.tolist(), strict=True):
            currency = self.history.book.payers[payer].currency
            counts[currency] = counts.get(currency, 0) + many
        return sorted(counts.items(), key=lambda one: (-one[1], one[0]))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Caveats for the reader of the result, one sentence each."""
        return tuple(self._list_notes())

    @cached_property
    def assumption_list(self) -> tuple[Assumption, ...]:
        """Every fitted number with the attempts behind it."""
        return tuple(list_fitted_assumptions(self.fitted))

    def cases(self, first: int, count: int) -> Cases:
        """The cases from `first` on; fewer where there are no more."""
        last = min(first + count, self.recoveries)
        number = np.arange(first, max(first, last), dtype=np.uint64)
        row = self._draw_rows(number)
        history = self.history
        return Cases(
            book=history.book,
            number=number,
            name=row,
            failure=history.failure[row],
            payer=history.payer[row],
            failed_at=history.failed_at[row],
            paid_at=self._observed_or_drawn(history.paid_at, number, row, Stream.SELF_PAID),
            method_at=self._observed_or_drawn(history.method_at, number, row, Stream.NEW_METHOD),
            earlier={place: history.earlier[int(row[place])] for place in np.flatnonzero(self._is_busy[row]).tolist()},
        )

    def with_baseline(self, soft: float, hard: float) -> "HistorySource":
        """The same where so many pay without a charge of ours. What was seen stays: only what wasn't is drawn anew."""
        return replace(self, behaviour=self.behaviour.with_baseline(soft, hard))

    def _draw_rows(self, number: Words) -> Integers:
        """The history row of each case: every recovery once, then resampled with replacement."""
        whole = len(self.rows)
        again = (draw_uniforms(self.seed, Stream.RESAMPLE, number) * whole).astype(np.int64)
        once = np.minimum(number, np.uint64(whole - 1)).astype(np.int64)
        return np.asarray(self.rows[np.where(number < np.uint64(whole), once, again)])

    def _observed_or_drawn(self, seen: Integers, number: Words, row: Integers, stream: Stream) -> Integers:
        """When each customer acted, or, from the end of observation on, a draw from the fitted hazard; NEVER."""
        at = seen[row].copy()
        rows = np.flatnonzero(at == NEVER)
        history, mine = self.history, row[rows]
        hazard = self.behaviour.paid if stream is Stream.SELF_PAID else self.behaviour.method
        since = np.maximum(self._watched_until[mine] - history.failed_at[mine], 0)
        after = hazard.draw_times(draw_uniforms(self.seed, stream, number[rows]), history.cause[mine], since)
        acts = after != NEVER
        at[rows[acts]] = history.failed_at[mine[acts]] + after[acts]
        return at

    @cached_property
    def _is_busy(self) -> Booleans:
        """By row of the history: whether its card was charged before."""
        known = np.zeros(len(self.history), dtype=np.bool_)
        known[list(self.history.earlier)] = True
        return known

    @cached_property
    def _watched_until(self) -> Integers:
        return self.history.watched_until

    def _list_notes(self) -> Iterator[str]:
        stopped = int((self.history.end == STOPPED).sum())
        used = min(self.recoveries, len(self.rows))
        yield (
            f"Chances are fitted to {len(self.history.charges)} recorded charges; where few stand behind a number it "
            "leans to what is believed without them."
        )
        yield (
            "Customers pay and give cards when they did; from where a recovery had ended, as customers do who were "
            "watched for longer."
        )
        if used < len(self.history) - stopped:
            yield f"Only the newest {used} recoveries are simulated."
        if self.recoveries > used:
            yield f"There are {used} recoveries; the others are these again, drawn with other luck."
        if stopped:
            yield (
                f"{stopped} recoveries that ended since the invoice was voided, disputed or canceled are left out: "
                "nobody knows what another policy would have won before."
            )
        if self.history.left_out:
            mine = self.history.book.provider
            yield f"{self.history.left_out} recoveries of other providers than {mine} are left out."
        if len(self._currencies) > 1:
            others = ", ".join(f"{one} ({many})" for one, many in self._currencies[1:])
            yield f"Amounts are of {self.currency} only; recoveries in {others} count in rates and not in amounts."


def build_history_source(
    history: History, assumptions: Assumptions, *, recoveries: int | None, seed: int
) -> HistorySource:
    """The history as a source of so many recoveries; of all of them where no number is wanted.

    Raises InvalidInput for a history without recoveries, or with too few charges to fit anything to.
    """
    tried = int(history.charges.scheduled.sum())
    rows = np.flatnonzero(history.end != STOPPED)
    if len(rows) == 0:
        raise InvalidInput(f"{history.name}: there are no recoveries to simulate.")
    if tried < MIN_ATTEMPTS:
        raise InvalidInput(
            f"{history.name}: too few attempts: {tried} recorded retries have a definite answer, and "
            f"{MIN_ATTEMPTS} are "
            "needed, since with fewer the 95 percent interval of a single chance is wider than 10 points either way. "
            "Try --source synthetic."
        )
    wanted = len(rows) if recoveries is None else recoveries
    fitted = fit_history(history, Prior(assumptions.to_outcome_chances(), behaviour_from_assumptions(assumptions)))
    return HistorySource(history, fitted, rows[max(len(rows) - wanted, 0) :], wanted, seed, fitted.behaviour)
