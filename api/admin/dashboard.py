"""What it all comes to: the same sums as `/v1/summary`, over days that can be chosen, in one currency."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from api.admin import charts, words
from api.admin.pages import show
from api.admin.people import Viewer
from api.deps import PartsDep
from api.summary import Figures, compared
from core.base import Value
from core.errors import InvalidInput
from core.report import ArmReport
from db.repositories import activity, figures, network_attempts
from db.repositories.figures import Basis, Dimension, Figure
from db.repositories.summary import Group, Sums
from db.session import Session

router: Final = APIRouter()
PRESETS: Final = (7, 30, 90, 365)
USUAL: Final = 30
LONGEST: Final = timedelta(days=3 * 366)
DIMENSIONS: Final = (
    Dimension.ALL, Dimension.CAUSE, Dimension.SEGMENT, Dimension.STRATEGY, Dimension.PROVIDER, Dimension.ATTEMPT,
    Dimension.REACHED, Dimension.HOURS, Dimension.ARM,
)  # fmt: skip
FUNNEL: Final = ("failed", "classified", "planned", "charged")
"""How far a recovery comes, in order."""
HOURS: Final = ((6, "6 h"), (24, "1 d"), (72, "3 d"), (168, "7 d"), (336, "14 d"), (720, "30 d"), (10**9, "later"))
"""Ends of the groups of the time to recovery, and their names."""


class Span(Value):
    """The time that is looked at. The end isn't in it."""

    begins: datetime
    ends: datetime
    days: int | None
    """One of PRESETS; None for days that were typed in."""


class Row(Value):
    """One line of a breakdown."""

    name: str
    figures: Figures


class Step(Value):
    """One step of the funnel, and the share that came as far."""

    name: str
    count: int
    share: float


@router.get("/")
async def dashboard(
    request: Request,
    parts: PartsDep,
    _: Viewer,
    days: int = USUAL,
    since: Annotated[str, Query(alias="from", max_length=10)] = "",
    until: Annotated[str, Query(alias="to", max_length=10)] = "",
    currency: Annotated[str, Query(max_length=3)] = "",
) -> Response:
    """One page for whoever wants to know how it goes."""
    span = _span(parts.clock(), days, since, until)
    async with parts.database.begin() as session:
        found = await figures.read(session, span.begins, span.ends, DIMENSIONS)
        names = _currencies(found)
        chosen = currency.upper() or (names[0] if names else "")
        context = await _context(session, span, [one for one in found if one.currency == chosen], chosen)
        health = await activity.provider_health(session, parts.clock())
    return show(
        request,
        "dashboard.html",
        span=span,
        presets=PRESETS,
        typed={"from": since, "to": until},
        currencies=[(name, name) for name in names],
        last_day=(span.ends - timedelta(days=1)).date(),
        currency=chosen,
        health=health,
        **context,
    )


async def _context(session: Session, span: Span, found: Sequence[Figure], currency: str) -> dict[str, Any]:
    ended = await figures.read(session, span.begins, span.ends, basis=Basis.CLOSED, currency=currency, daily=True)
    ever = await figures.read(session, datetime(2000, 1, 1, tzinfo=UTC), span.ends, currency=currency)
    fees = await network_attempts.fees(session, span.begins, span.ends)
    total = _sums(_of(found, Dimension.ALL))
    return {
        "total": Figures(**total.model_dump(), recovery_rate=_rate(total.recovered, total.lost)),
        "by_count": _rate(total.recovered_count, total.lost_count),
        "ever": figures.total(ever, "recovered"),
        "seconds": _mean_seconds(_of(found, Dimension.ALL)),
        "messages": await activity.messages_sent(session, span.begins, span.ends),
        "fees": fees,
        "returned": _return(total.recovered, currency, fees),
        "per_day": _per_day(span, ended, currency),
        "breakdowns": [(name, _rows(found, one)) for name, one in _BREAKDOWNS],
        "attempts": sorted(_rows(found, Dimension.ATTEMPT), key=lambda row: (not row.name.isdecimal(), row.name)),
        "funnel": _funnel(found, total),
        "times": _times(found),
        "arms": _arms(found),
    }


_BREAKDOWNS: Final = (
    ("Cause", Dimension.CAUSE),
    ("Segment", Dimension.SEGMENT),
    ("Strategy", Dimension.STRATEGY),
    ("Provider", Dimension.PROVIDER),
)


def _span(now: datetime, days: int, since: str, until: str) -> Span:
    """What was asked for, in whole days of UTC, today among them. Raises InvalidInput."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    if not since and not until:
        length = days if days in PRESETS else USUAL
        return Span(begins=tomorrow - timedelta(days=length), ends=tomorrow, days=length)
    ends = _midnight(until) + timedelta(days=1) if until else tomorrow
    begins = _midnight(since) if since else ends - timedelta(days=USUAL)
    if not timedelta(0) < ends - begins <= LONGEST:
        raise InvalidInput("The first day has to come before the last one, by three years at most.")
    return Span(begins=begins, ends=ends, days=None)


def _midnight(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidInput("A day is written like 2026-11-23.") from None


def _currencies(found: Iterable[Figure]) -> list[str]:
    """All that occur, the one with most recoveries first."""
    counts = {one.currency: _count(one) for one in _of(found, Dimension.ALL)}
    return sorted(counts, key=lambda name: (-counts[name], name))


def _of(found: Iterable[Figure], dimension: Dimension) -> list[Figure]:
    return [one for one in found if one.dimension is dimension]


def _count(one: Figure) -> int:
    return one.open_count + one.recovered_count + one.lost_count


def _sums(some: Iterable[Figure]) -> Sums:
    known = list(some)
    return Sums(**{name: figures.total(known, name) for name in Sums.model_fields})


def _rate(won: int, lost: int) -> float | None:
    return won / (won + lost) if won + lost else None


def _mean_seconds(some: Sequence[Figure]) -> float | None:
    count = figures.total(some, "recovered_count")
    return figures.total(some, "seconds") / count if count else None


def _return(recovered: int, currency: str, fees: Iterable[network_attempts.Fees]) -> float | None:
    """What came in for each unit of network fees; None where they are in another currency or nothing."""
    caused = sum(one.caused for one in fees if one.currency.upper() == currency)
    return recovered / caused if caused else None


def _rows(found: Iterable[Figure], dimension: Dimension) -> list[Row]:
    """The largest first."""
    rows = [_row(one) for one in _of(found, dimension)]
    return sorted(rows, key=lambda row: -(row.figures.recovered + row.figures.lost + row.figures.at_risk))


def _row(one: Figure) -> Row:
    sums = _sums([one])
    made = Figures(**sums.model_dump(), recovery_rate=_rate(sums.recovered, sums.lost))
    return Row(name=one.name or "none", figures=made)


def _funnel(found: Iterable[Figure], total: Sums) -> list[Step]:
    """Every recovery came as far as it says, and past all steps before."""
    reached = {one.name or "": _count(one) for one in _of(found, Dimension.REACHED)}
    whole = sum(reached.values())
    counts = [sum(reached.get(step, 0) for step in FUNNEL[index:]) for index in range(len(FUNNEL))]
    names = ("Failed", "Understood", "Retry planned", "Charged again", "Recovered")
    pairs = zip(names, [*counts, total.recovered_count], strict=True)
    return [Step(name=name, count=count, share=count / whole if whole else 0) for name, count in pairs]


def _per_day(span: Span, ended: Iterable[Figure], currency: str) -> Markup | None:
    """What came in and what was lost, by the day that it ended; None where nothing did."""
    by_day = {one.day: one for one in ended if one.recovered or one.lost}
    days = [(span.begins + timedelta(days=count)).date() for count in range((span.ends - span.begins).days)]
    if not by_day:
        return None
    series = [
        (name, [getattr(by_day[day], column) if day in by_day else 0 for day in days])
        for name, column in (("Recovered", "recovered"), ("Lost", "lost"))
    ]
    labels = [f"{day.day} {day:%b}" for day in days]
    title = f"Recovered and lost per day in {currency}"
    return charts.bars(title, labels, series, lambda value: words.short_money(round(value), currency))


def _times(found: Iterable[Figure]) -> Markup | None:
    """How many recoveries took how long; None without any."""
    counts = [0] * len(HOURS)
    for one in _of(found, Dimension.HOURS):
        begin = int(one.name or 0)
        counts[next(place for place, (end, _) in enumerate(HOURS) if begin < end)] += one.recovered_count
    if not any(counts):
        return None
    series = [("Recovered", counts)]
    return charts.bars(
        "Time to recovery", [name for _, name in HOURS], series, lambda value: f"{round(value):,}", charts.NARROW
    )


def _arms(found: Iterable[Figure]) -> tuple[ArmReport, ...]:
    return compared([Group(keys=(one.name, one.part), sums=_sums([one])) for one in _of(found, Dimension.ARM)])
