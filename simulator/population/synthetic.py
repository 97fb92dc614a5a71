"""The synthetic population: any number of failed invoices, drawn from the assumptions and reproducible by seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from typing import Any, Final

import numpy as np

from core.classification.taxonomy import Category
from core.formatting import format_percent
from core.payments import Card, Failure, Risk
from core.segmentation.rules import CustomerProfile
from simulator.model.assumption_schema import DeclinePattern, Steps
from simulator.model.assumptions import Assumptions
from simulator.model.cases import NEVER, Cases, Codebook, FailureKind, Integers, Payer
from simulator.model.categorical import CategoricalDistribution, DurationDistribution
from simulator.model.draws import Floats, Stream, Words, draw_uniforms

DISTINCT_NAMES: Final = 65_536
"""Number of distinct invoice names; then they repeat, since a name only seeds jitter and experiment arms."""
DEFAULT_RECOVERIES: Final = 100_000
"""Number of cases of a run by default."""
PROVIDER: Final = "stripe"
DAY: Final = 86_400
HOUR: Final = 3_600
_RAW: Final = ("code", "advice", "network_code", "network_advice", "outcome", "outcome_reason", "network_status")


class SyntheticSource:
    """`simulator.model.source.Source` over made-up cases. Case n is the same in every chunk, process and order."""

    name = "synthetic"

    def __init__(self, assumptions: Assumptions, recoveries: int, seed: int) -> None:
        self.assumptions, self.seed = assumptions, seed
        self.currency = assumptions.amounts.currency
        self.outcomes = assumptions.to_outcome_chances()
        self.notes = _list_notes(assumptions)
        self.assumption_list = assumptions.list_numbers()
        self._recoveries = recoveries

    def __len__(self) -> int:
        return self._recoveries

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles only the inputs: building the tables again is cheaper than sending them to another process."""
        return type(self), (self.assumptions, self._recoveries, self.seed)

    def with_baseline(self, soft: float, hard: float) -> "SyntheticSource":
        """The same cases where other shares pay by themselves: who pays at a smaller share also pays at a larger."""
        changed = SyntheticSource(self.assumptions.with_baseline(soft, hard), self._recoveries, self.seed)
        changed.book = self.book  # it doesn't depend on these shares
        return changed

    @cached_property
    def book(self) -> Codebook:
        """All failure kinds and payers that can be drawn, each in every place."""
        places, kinds = self.assumptions.countries.places, self.assumptions.failure_kinds
        return Codebook(
            provider=PROVIDER,
            failures=tuple(_build_failure_kind(line, net, place.country) for line, net, _ in kinds for place in places),
            payers=tuple(_build_payers(self.assumptions)),
            names=tuple(f"in_sim_{number:05d}" for number in range(DISTINCT_NAMES)),
            customers=tuple(f"cus_sim_{number:05d}" for number in range(DISTINCT_NAMES)),
        )

    def cases(self, first: int, count: int) -> Cases:
        """Up to `count` cases from number `first` on; fewer where the population ends."""
        last = min(first + count, self._recoveries)
        number = np.arange(first, max(first, last), dtype=np.uint64)
        place = self._distributions.places(self._draw_uniforms(Stream.COUNTRY, number))
        kind = self._distributions.kinds(self._draw_uniforms(Stream.REASON, number))
        payer = self._distributions.payers(self._draw_uniforms(Stream.PAYER, number))
        failed_at = self._draw_failure_times(number)
        paid_at, method_at = self._draw_answers(
            number, kind, failed_at, self._draw_self_payments(number, kind, failed_at)
        )
        # The book lists every kind in every place, place fastest: kind * places + place is the flat index.
        places = len(self.assumptions.countries.places)
        return Cases(
            book=self.book,
            number=number,
            name=(number % np.uint64(DISTINCT_NAMES)).astype(np.int64),
            failure=kind * places + place,
            payer=payer * places + place,
            failed_at=failed_at,
            paid_at=paid_at,
            method_at=method_at,
            earlier=self._draw_earlier_tries(number, failed_at),
        )

    @cached_property
    def _distributions(self) -> "_Distributions":
        return _Distributions.from_assumptions(self.assumptions)

    def _draw_uniforms(self, stream: Stream, number: Words) -> Floats:
        return draw_uniforms(self.seed, stream, number)

    def _draw_failure_times(self, number: Words) -> Integers:
        """Times of failure, seconds since 1970: the whole part of one draw gives the day, the rest hour and second."""
        days = self._draw_uniforms(Stream.TIME, number) * self.assumptions.arrivals.days
        day = days.astype(np.int64)
        return self._distributions.begin + day * DAY + self._distributions.hours(days - day)

    def _draw_self_payments(self, number: Words, kind: Integers, failed_at: Integers) -> Integers:
        """When each customer pays without retry or message, seconds since 1970; NEVER for most."""
        paid_at = np.full(len(number), NEVER, dtype=np.int64)
        rows = np.flatnonzero(self._draw_uniforms(Stream.SELF_PAID, number) < self._distributions.self_paid[kind])
        after = self._distributions.self_paid_after(self._draw_uniforms(Stream.SELF_PAID_AT, number[rows]))
        paid_at[rows] = failed_at[rows] + np.maximum(after, 1)
        return paid_at

    def _draw_answers(
        self, number: Words, kind: Integers, failed_at: Integers, paid_at: Integers
    ) -> tuple[Integers, Integers]:
        """The earlier of `paid_at` and payment by a message's link, and when another card is given; one answer each."""
        method_at = np.full(len(number), NEVER, dtype=np.int64)
        answering = self._distributions.answering
        draws = self._draw_uniforms(Stream.MESSAGE, number)
        rows = np.flatnonzero(draws < answering[kind])
        # A draw below a share, divided by it, is uniform in [0, 1) again: it also chooses the message.
        sent = self._distributions.sent[self._distributions.messages(draws[rows] / answering[kind[rows]])]
        after = self._distributions.answered_after(self._draw_uniforms(Stream.ANSWER_AT, number[rows]))
        answered = failed_at[rows] + sent + np.maximum(after, 1)
        card = self._draw_uniforms(Stream.ANSWER, number[rows]) < self._distributions.another_card[kind[rows]]
        method_at[rows[card]] = answered[card]
        links = rows[~card]
        paid_at[links] = np.minimum(paid_at[links], answered[~card])
        return paid_at, method_at

    def _draw_earlier_tries(self, number: Words, failed_at: Integers) -> dict[int, tuple[int, ...]]:
        """Times of the card's charges before the failure, rising, by row; rows without any are absent."""
        tries = self._distributions.tries[self._distributions.priors(self._draw_uniforms(Stream.PRIORS, number))]
        found: dict[int, tuple[int, ...]] = {}
        for count in sorted({one.tries for one in self.assumptions.priors.classes} - {0}):
            rows = np.flatnonzero(tries == count)
            turns = np.arange(1, count + 1, dtype=np.uint64)
            draws = draw_uniforms(self.seed, Stream.PRIORS, number[rows, None], turns)
            before = 1 + (draws * (self.assumptions.priors.within_days * DAY - 1)).astype(np.int64)
            times = np.sort(failed_at[rows, None] - before, axis=1)
            found.update(zip(rows.tolist(), map(tuple, times.tolist()), strict=True))
        return found


@dataclass(frozen=True, eq=False)
class _Distributions:
    """The assumptions as distributions to draw from. Seconds; arrays "by kind" are indexed without places."""

    places: CategoricalDistribution
    kinds: CategoricalDistribution
    payers: CategoricalDistribution
    priors: CategoricalDistribution
    tries: Integers
    begin: int
    hours: DurationDistribution
    self_paid: Floats
    """By kind."""
    self_paid_after: DurationDistribution
    answering: Floats
    """By kind."""
    another_card: Floats
    """By kind."""
    messages: CategoricalDistribution
    sent: Integers
    answered_after: DurationDistribution

    @classmethod
    def from_assumptions(cls, assumptions: Assumptions) -> "_Distributions":
        """The distributions of these assumptions."""
        lines = [line for line, _, _ in assumptions.failure_kinds]
        answers, own = assumptions.answers.causes, assumptions.self_recovery
        return cls(
            places=CategoricalDistribution([one.share for one in assumptions.countries.places]),
            kinds=CategoricalDistribution([share for _, _, share in assumptions.failure_kinds]),
            payers=CategoricalDistribution(
                [a.share * b.share for a in assumptions.amounts.points for b in assumptions.customers.classes]
            ),
            priors=CategoricalDistribution([one.share for one in assumptions.priors.classes]),
            tries=np.array([one.tries for one in assumptions.priors.classes], dtype=np.int64),
            begin=int(datetime.combine(assumptions.arrivals.first_day, time(), UTC).timestamp()),
            hours=DurationDistribution([hour * HOUR for hour in range(1, 25)], assumptions.arrivals.hours),
            self_paid=np.array([own.hard if _is_hard_decline(line) else own.soft for line in lines]),
            self_paid_after=_duration_distribution(assumptions.self_recovery_times),
            answering=np.array([assumptions.answering_share(line.cause) for line in lines]),
            another_card=np.array([answers[line.cause].another_card for line in lines]),
            messages=CategoricalDistribution(assumptions.messages.rates),
            sent=np.array(assumptions.messages.days, dtype=np.int64) * DAY,
            answered_after=_duration_distribution(assumptions.answer_times),
        )


def _list_notes(assumptions: Assumptions) -> tuple[str, ...]:
    """Caveats for the reader of the result, one sentence each."""
    own = assumptions.self_recovery
    return (
        "No case of this run ever happened: customers, failures and chances are drawn from published numbers and "
        "assumptions, which are listed with their weaknesses.",
        f"Nobody has published how many customers pay by themselves; {format_percent(own.soft, 0)} after soft and "
        f"{format_percent(own.hard, 0)} after hard declines is assumed, and the sweep shows what other values do.",
        "Messages are the same for every policy; a campaign's effect can't be compared here.",
        *((f"Replaced by you: {', '.join(assumptions.replaced)}.",) if assumptions.replaced else ()),
    )


def _is_hard_decline(line: DeclinePattern) -> bool:
    return line.cause.category is Category.HARD_DECLINE


def _build_failure_kind(line: DeclinePattern, network: str | None, country: str) -> FailureKind:
    """The pattern as Stripe would report it; a card's country only where there is a card."""
    raw = {name: getattr(line, name) for name in _RAW}
    return FailureKind(
        failure=Failure(network=network, **raw),
        card=Card(network=network, country=country if line.card else None),
        risk=Risk(level=line.risk_level),
    )


def _build_payers(assumptions: Assumptions) -> Iterator[Payer]:
    """Every combination of amount and customer class in every place, place fastest: the order of `payers`' shares."""
    currency = assumptions.amounts.currency
    for point in assumptions.amounts.points:
        for past in assumptions.customers.classes:
            profile = CustomerProfile(
                recurring_revenue=point.amount,
                lifetime_value=point.amount * past.successes,
                invoice_amount=point.amount,
                currency=currency,
                successes=past.successes,
                failures=past.failures,
                open_recoveries=0,
                tenure_days=past.tenure_days,
            )
            for place in assumptions.countries.places:
                there = {"country": place.country, "time_zone": place.time_zone}
                card = {"card_country": place.country}
                yield Payer(
                    amount=point.amount, currency=currency, **there, profile=profile.model_copy(update=there | card)
                )


def _duration_distribution(steps: Steps) -> DurationDistribution:
    return DurationDistribution([one.hours * HOUR for one in steps.steps], [one.share for one in steps.steps])
