"""The dashboard: the same sums as `/v1/summary`, for a chosen period and currency."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from api.admin import charts, formatting
from api.admin.pages import show_page
from api.admin.sessions import Viewer
from api.deps import PartsDep
from api.summary import Figures, compare_arm_groups, to_figures
from core.base import Value
from core.errors import InvalidInput
from core.formatting import format_short_amount
from db.queries.charge_outcomes import load_provider_health
from db.queries.dashboard import Dashboard, NamedSums, load_overview
from db.queries.summary import Group
from db.repositories.network_attempts import Fees

router: Final = APIRouter()
PRESETS: Final = (7, 30, 90, 365)
DEFAULT_DAYS: Final = 30
LONGEST_SPAN: Final = timedelta(days=3 * 366)
HEALTH_WINDOW: Final = timedelta(days=1)


class Span(Value):
    """The period [begins, ends), whole days of UTC."""

    begins: datetime
    ends: datetime
    days: int | None
    """One of PRESETS; None for a period that was typed in."""


class BreakdownRow(Value):
    """One row of a breakdown."""

    name: str
    figures: Figures


class FunnelStep(Value):
    """One step of the funnel, with the share (0 to 1) of recoveries that reached it."""

    name: str
    count: int
    share: float


@router.get("/")
async def show_dashboard(
    request: Request,
    parts: PartsDep,
    _: Viewer,
    days: int = DEFAULT_DAYS,
    since: Annotated[str, Query(alias="from", max_length=10)] = "",
    until: Annotated[str, Query(alias="to", max_length=10)] = "",
    currency: Annotated[str, Query(max_length=3)] = "",
) -> Response:
    """The dashboard page. Raises InvalidInput for a period that can't be used."""
    now = parts.clock()
    span = _parse_span(now, days, since, until)
    async with parts.database.begin() as session:
        found = await load_overview(session, span.begins, span.ends)
        health = await load_provider_health(session, now - HEALTH_WINDOW, now)
    names = [one.currency for one in found.currencies]
    chosen = currency.upper() or (names[0] if names else "")
    shown = next((one for one in found.currencies if one.currency == chosen), None)
    return show_page(
        request,
        "dashboard.html",
        span=span,
        last_day=(span.ends - timedelta(days=1)).date(),
        presets=PRESETS,
        typed={"from": since, "to": until},
        currencies=[(name, name) for name in names],
        currency=chosen,
        health=health,
        messages=found.messages_sent,
        fees=found.fees,
        shown=shown,
        **(_currency_context(span, shown, found.fees) if shown else {}),
    )


def _currency_context(span: Span, shown: Dashboard, fees: Iterable[Fees]) -> dict[str, Any]:
    """The template's values for one currency."""
    return {
        "total": to_figures(shown.opened),
        "by_count": _recovery_rate(shown.opened.recovered_count, shown.opened.lost_count),
        "fee_return": _fee_return(shown.opened.recovered, shown.currency, fees),
        "per_day": _daily_chart(span, shown),
        "breakdowns": [
            ("Cause", _breakdown_rows(shown.by_cause)),
            ("Segment", _breakdown_rows(shown.by_segment)),
            ("Strategy", _breakdown_rows(shown.by_strategy)),
            ("Provider", _breakdown_rows(shown.by_provider)),
        ],
        "attempts": [_breakdown_row(one) for one in shown.by_attempt],
        "funnel": _funnel_steps(shown),
        "times": _recovery_time_chart(shown),
        "arms": compare_arm_groups([Group(keys=(one.experiment, one.arm), sums=one.sums) for one in shown.arms]),
    }


def _parse_span(now: datetime, days: int, since: str, until: str) -> Span:
    """The requested period in whole UTC days, by default the last DEFAULT_DAYS including today. Raises InvalidInput."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    if not since and not until:
        length = days if days in PRESETS else DEFAULT_DAYS
        return Span(begins=tomorrow - timedelta(days=length), ends=tomorrow, days=length)
    try:
        ends = _parse_day(until) + timedelta(days=1) if until else tomorrow
        begins = _parse_day(since) if since else ends - timedelta(days=DEFAULT_DAYS)
    except OverflowError:
        raise InvalidInput("The period lies outside of the calendar.") from None
    if not timedelta(0) < ends - begins <= LONGEST_SPAN:
        raise InvalidInput("The first day has to come before the last one, by three years at most.")
    return Span(begins=begins, ends=ends, days=None)


def _parse_day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidInput("A day is written like 2026-11-23.") from None


def _recovery_rate(won: int, lost: int) -> float | None:
    return won / (won + lost) if won + lost else None


def _fee_return(recovered: int, currency: str, fees: Iterable[Fees]) -> float | None:
    """Recovered amount per unit of network fees in the same currency; None without such fees."""
    caused = sum(one.caused for one in fees if one.currency.upper() == currency)
    return recovered / caused if caused else None


def _breakdown_rows(parts: Iterable[NamedSums]) -> list[BreakdownRow]:
    """The rows of a breakdown, the largest amount first."""
    rows = [_breakdown_row(one) for one in parts]
    return sorted(rows, key=lambda row: -(row.figures.recovered + row.figures.lost + row.figures.at_risk))


def _breakdown_row(one: NamedSums) -> BreakdownRow:
    return BreakdownRow(name=one.name or "none", figures=to_figures(one.sums))


def _funnel_steps(shown: Dashboard) -> list[FunnelStep]:
    counts = [one.sums.open_count + one.sums.recovered_count + one.sums.lost_count for one in shown.funnel]
    names = ("Failed", "Understood", "Retry planned", "Charged again", "Recovered")
    pairs = zip(names, counts, strict=True)
    return [FunnelStep(name=name, count=count, share=count / counts[0] if counts[0] else 0) for name, count in pairs]


def _daily_chart(span: Span, shown: Dashboard) -> Markup | None:
    """Recovered and lost amounts by the day of the end; None if nothing ended."""
    by_day = {one.day: one for one in shown.ended_by_day}
    days = [(span.begins + timedelta(days=count)).date() for count in range((span.ends - span.begins).days)]
    if not by_day:
        return None
    recovered = [by_day[day].recovered if day in by_day else 0 for day in days]
    lost = [by_day[day].lost if day in by_day else 0 for day in days]
    title, labels = f"Recovered and lost per day in {shown.currency}", [f"{day.day} {day:%b}" for day in days]
    return charts.render_stacked_bars(
        title, labels, (("Recovered", recovered), ("Lost", lost)), _short_amount_formatter(shown.currency)
    )


def _short_amount_formatter(currency: str) -> Callable[[float], str]:
    return lambda value: format_short_amount(round(value), currency)


def _recovery_time_chart(shown: Dashboard) -> Markup | None:
    """Numbers of recoveries by time to payment; None without any."""
    counts = [one.count for one in shown.hours_to_recovery]
    if not any(counts):
        return None
    labels = [
        formatting.format_span(one.until_hours * 3600) if one.until_hours else "later"
        for one in shown.hours_to_recovery
    ]
    series = (("Recovered", counts),)
    return charts.render_stacked_bars(
        "Time to recovery", labels, series, lambda value: f"{round(value):,}", charts.NARROW
    )
