"""The dashboard's figures per currency, from the same stored sums as `/v1/summary`, so that both agree to the cent.

`opened` counts recoveries that opened in the period, by their present state; `ended_by_day` counts what ended on each
of its days, whenever it had opened. Amounts of different currencies are never added.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Final

from core.base import Value
from db.queries import figures
from db.queries.figures import Basis, Dimension, Figure, bucket_end
from db.queries.message_figures import count_messages_sent
from db.queries.summary import Sums
from db.repositories.network_attempts import Fees, sum_fees
from db.session import Session

ALL_TIME: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
FUNNEL_STEPS: Final = ("failed", "classified", "planned", "charged")
"""Stages before the end, as Dimension.REACHED names them; a recovery in one has passed those before it."""
HOUR_BARS: Final = (1, 6, 24, 72, 168, 336, 504)
"""Upper bounds, in hours, of the bars of time to recovery; a last bar has no upper bound."""
SHOWN_DIMENSIONS: Final = (
    Dimension.ALL, Dimension.CAUSE, Dimension.SEGMENT, Dimension.STRATEGY, Dimension.PROVIDER, Dimension.ARM,
    Dimension.ATTEMPT, Dimension.REACHED, Dimension.HOURS,
)  # fmt: skip


class NamedSums(Value):
    """Sums of the recoveries that share a name, such as a cause; None where it is not known yet."""

    name: str | None
    sums: Sums


class Arm(Value):
    """One arm of an experiment."""

    experiment: str
    arm: str
    sums: Sums


class DayOutcome(Value):
    """Recoveries that ended on one day (UTC); amounts in minor units."""

    day: date
    recovered: int
    lost: int
    recovered_count: int
    lost_count: int


class HoursBar(Value):
    """Recoveries paid in [since, until) hours after they opened; `until_hours` None has no upper bound."""

    since_hours: int
    until_hours: int | None
    count: int


class Dashboard(Value):
    """All figures in one currency; amounts in minor units."""

    currency: str
    opened: Sums
    """Recoveries that opened in the period; the same sums as in `/v1/summary`."""
    ever: Sums
    """All recoveries; its `at_risk` is what is at risk now."""
    by_cause: tuple[NamedSums, ...]
    by_segment: tuple[NamedSums, ...]
    by_strategy: tuple[NamedSums, ...]
    by_provider: tuple[NamedSums, ...]
    by_attempt: tuple[NamedSums, ...]
    """Recovered ones only, by the number of the successful attempt, or `elsewhere`."""
    arms: tuple[Arm, ...]
    funnel: tuple[NamedSums, ...]
    """`failed`, `classified`, `planned`, `charged`: recoveries that reached at least this stage; then `recovered`."""
    ended_by_day: tuple[DayOutcome, ...]
    """The days of the period on which something ended, oldest first; days without are left out."""
    hours_to_recovery: tuple[HoursBar, ...]
    mean_hours: float | None
    """Mean hours from opening to payment; None where nothing was recovered."""
    median_hours: float | None
    """Median of the same, exact to the hour below two days, to six hours below two weeks, to the day beyond."""


class Overview(Value):
    """The dashboard of the period [since, until)."""

    since: datetime
    until: datetime
    currencies: tuple[Dashboard, ...]
    """Currencies in which something opened or ended in the period, the one with most recoveries first."""
    messages_sent: int
    """Messages sent to customers in the period."""
    fees: tuple[Fees, ...]
    """Card network fees in the period, in the currencies in which the networks publish them."""


async def load_overview(session: Session, since: datetime, until: datetime, currency: str | None = None) -> Overview:
    """The figures of [since, until), in every currency or in one."""
    opened = await figures.read_figures(session, since, until, SHOWN_DIMENSIONS, currency=currency)
    ended = await figures.read_figures(session, since, until, basis=Basis.CLOSED, currency=currency, daily=True)
    ever = await figures.read_figures(session, *ALL_TIME, currency=currency)
    parts = [_group_by_currency(one) for one in (opened, ended, ever)]
    return Overview(
        since=since,
        until=until,
        currencies=tuple(
            _build_dashboard(name, *(one.get(name, []) for one in parts)) for name in _order_currencies(opened, ended)
        ),
        messages_sent=await count_messages_sent(session, since, until),
        fees=await sum_fees(session, since, until),
    )


def _order_currencies(opened: Iterable[Figure], ended: Iterable[Figure]) -> list[str]:
    counts: dict[str, int] = {}
    for one in (*(one for one in opened if one.dimension is Dimension.ALL), *ended):
        counts[one.currency] = counts.get(one.currency, 0) + _figure_count(one)
    return sorted(counts, key=lambda name: (-counts[name], name))


def _group_by_currency(found: Iterable[Figure]) -> dict[str, list[Figure]]:
    groups: dict[str, list[Figure]] = {}
    for one in found:
        groups.setdefault(one.currency, []).append(one)
    return groups


def _figure_count(figure: Figure) -> int:
    return figure.open_count + figure.recovered_count + figure.lost_count


def _build_dashboard(name: str, opened: Sequence[Figure], ended: Sequence[Figure], ever: Sequence[Figure]) -> Dashboard:
    """All that is given is of this currency."""

    def figures_by(dimension: Dimension) -> list[Figure]:
        return [one for one in opened if one.dimension is dimension]

    hours = sorted((int(one.name or 0), one.recovered_count) for one in figures_by(Dimension.HOURS))
    return Dashboard(
        currency=name,
        opened=sum_figures(figures_by(Dimension.ALL)),
        ever=sum_figures(ever),
        by_cause=_named_sums(figures_by(Dimension.CAUSE)),
        by_segment=_named_sums(figures_by(Dimension.SEGMENT)),
        by_strategy=_named_sums(figures_by(Dimension.STRATEGY)),
        by_provider=_named_sums(figures_by(Dimension.PROVIDER)),
        by_attempt=tuple(sorted(_named_sums(figures_by(Dimension.ATTEMPT)), key=_attempt_order)),
        arms=tuple(_build_arm(one) for one in figures_by(Dimension.ARM)),
        funnel=_build_funnel(figures_by(Dimension.REACHED)),
        ended_by_day=tuple(_day_outcome(one) for one in ended if one.day),
        hours_to_recovery=_hour_bars(hours),
        mean_hours=_mean_hours(figures_by(Dimension.ALL)),
        median_hours=_median_hours(hours),
    )


def sum_figures(found: Iterable[Figure]) -> Sums:
    """The sums over all these figures, which must be of one currency."""
    every = list(found)
    return Sums(**{name: figures.total_of(every, name) for name in Sums.model_fields})


def _named_sums(found: Iterable[Figure]) -> tuple[NamedSums, ...]:
    return tuple(NamedSums(name=one.name, sums=sum_figures([one])) for one in found)


def _attempt_order(part: NamedSums) -> tuple[bool, int]:
    """Sorts by attempt number; `elsewhere` comes last."""
    number = part.name if part.name and part.name.isdigit() else None
    return number is None, int(number or 0)


def _build_arm(figure: Figure) -> Arm:
    return Arm(experiment=figure.name or "", arm=figure.part or "", sums=sum_figures([figure]))


def _build_funnel(found: Sequence[Figure]) -> tuple[NamedSums, ...]:
    """The stages, each including the recoveries that went further, then `recovered`."""
    steps = [
        NamedSums(name=step, sums=sum_figures(one for one in found if one.name in FUNNEL_STEPS[place:]))
        for place, step in enumerate(FUNNEL_STEPS)
    ]
    won = sum_figures(found)
    return (
        *steps,
        NamedSums(name="recovered", sums=Sums(recovered=won.recovered, recovered_count=won.recovered_count)),
    )


def _day_outcome(figure: Figure) -> DayOutcome:
    assert figure.day
    return DayOutcome(
        day=figure.day,
        recovered=figure.recovered,
        lost=figure.lost,
        recovered_count=figure.recovered_count,
        lost_count=figure.lost_count,
    )


def _hour_bars(hours: Sequence[tuple[int, int]]) -> tuple[HoursBar, ...]:
    begins, ends = (0, *HOUR_BARS), (*HOUR_BARS, None)
    return tuple(
        HoursBar(
            since_hours=since,
            until_hours=until,
            count=sum(count for hour, count in hours if hour >= since and (until is None or hour < until)),
        )
        for since, until in zip(begins, ends, strict=True)
    )


def _mean_hours(found: Iterable[Figure]) -> float | None:
    every = list(found)
    count = figures.total_of(every, "recovered_count")
    return round(figures.total_of(every, "seconds") / count / 3600, 2) if count else None


def _median_hours(hours: Sequence[tuple[int, int]]) -> float | None:
    """The median, interpolated in its bucket as if the recoveries in it were spread evenly; None without any."""
    before, middle = 0, sum(count for _, count in hours) / 2
    for hour, count in hours:
        if before + count >= middle:
            return round(hour + (bucket_end(hour) - hour) * (middle - before) / count, 1)
        before += count
    return None
