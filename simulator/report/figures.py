"""The comparison of two arms, line by line, as the report and the terminal show it."""

from collections.abc import Callable
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.report.result import ArmResult, Result
from simulator.report.verdict import Conclusion, build_verdict
from simulator.report.wording import (
    NO_FIGURE,
    add_sign,
    format_count,
    format_decimal,
    format_hours,
    format_interval,
    format_money,
    format_percent,
    format_points,
)

FEE_CURRENCY: Final = "USD"
"""The currency in which card networks publish their fees."""


class Cell(NamedTuple):
    """A figure as text, with its interval if it has one."""

    text: str
    interval: str = ""


class ComparisonLine(NamedTuple):
    """One line of the comparison."""

    name: str
    baseline: Cell
    candidate: Cell
    change: Cell
    hint: str = ""
    """An explanation, or empty."""
    strong: bool = False
    """Whether the verdict depends on it."""


class _FigureKind(NamedTuple):
    """A figure of both arms: how it is read and formatted."""

    name: str
    read_figure: Callable[[ArmResult], float]
    format_figure: Callable[[float], str]
    hint: str = ""


def list_comparison_lines(result: Result) -> tuple[ComparisonLine, ...]:
    """Every figure of both arms with the candidate's change, in the order of the report."""
    return (
        *_heading_lines(result),
        *(_comparison_line(kind, result) for kind in _figure_kinds()),
        _median_line(result),
    )


def _heading_lines(result: Result) -> tuple[ComparisonLine, ...]:
    before, after = both_arms(result)
    gap, unit = result.difference, result.currency
    rate = Cell(
        f"{format_points(gap.recovery_rate)} points",
        format_interval(format_points(gap.ci_low), format_points(gap.ci_high)),
    )
    more, low, high = (
        add_sign(format_money(n, unit)) for n in (gap.amount_recovered, gap.amount_ci_low, gap.amount_ci_high)
    )
    one, other = (Cell(format_money(arm.amount_recovered, unit)) for arm in (before, after))
    return (
        ComparisonLine(
            "Recovery rate", _rate_cell(before), _rate_cell(after), rate, "recovered, of all; 95% intervals", True
        ),
        ComparisonLine(
            "Amount recovered",
            one,
            other,
            Cell(more, format_interval(low, high)),
            "of the cases in this currency",
            True,
        ),
    )


def _rate_cell(arm: ArmResult) -> Cell:
    return Cell(
        format_percent(arm.recovery_rate), format_interval(format_percent(arm.ci_low), format_percent(arm.ci_high))
    )


def _figure_kinds() -> tuple[_FigureKind, ...]:
    def format_fees(amount: float) -> str:
        return format_money(int(amount), FEE_CURRENCY)

    def format_whole(number: float) -> str:
        return format_count(int(number))

    return (
        _FigureKind("Recovered", lambda arm: arm.recovered, format_whole),
        _FigureKind("Charge attempts", lambda arm: arm.charge_attempts, format_whole),
        _FigureKind(
            "Attempts per recovery", lambda arm: arm.attempts_per_recovery, format_decimal, "over all failed payments"
        ),
        _FigureKind(
            "Network fees caused", lambda arm: arm.network_fees, format_fees, "by attempts over the networks' limits"
        ),
        _FigureKind(
            "Network fees avoided",
            lambda arm: arm.network_fees_avoided,
            format_fees,
            "by attempts that were held back",
        ),
        _FigureKind(
            "Held back by network rules",
            lambda arm: arm.blocked_by_network_rules,
            format_whole,
            "attempts moved or forbidden",
        ),
        _FigureKind(
            "Extrapolated attempts",
            lambda arm: arm.extrapolated_attempts,
            format_whole,
            "after delays without a record",
        ),
        _FigureKind(
            "Recovered by those",
            lambda arm: arm.extrapolated_recoveries,
            format_whole,
            "estimated, not recorded",
        ),
    )


def _comparison_line(kind: _FigureKind, result: Result) -> ComparisonLine:
    before, after = (kind.read_figure(arm) for arm in both_arms(result))
    change = Cell(add_sign(kind.format_figure(after - before)))
    return ComparisonLine(
        kind.name, Cell(kind.format_figure(before)), Cell(kind.format_figure(after)), change, kind.hint
    )


def _median_line(result: Result) -> ComparisonLine:
    before, after = (arm.median_hours_to_recovery for arm in both_arms(result))
    change = NO_FIGURE if before is None or after is None else add_sign(format_hours(after - before))
    hint = "from failure to payment"
    return ComparisonLine(
        "Median time to recovery", Cell(format_hours(before)), Cell(format_hours(after)), Cell(change), hint
    )


def both_arms(result: Result) -> tuple[ArmResult, ArmResult]:
    """Baseline and candidate."""
    before, after = result.arms
    return before, after


STYLES = {
    Conclusion.BETTER: "bold green",
    Conclusion.WORSE: "bold red",
    Conclusion.SAME: "bold",
    Conclusion.UNDECIDED: "bold yellow",
}


def render_comparison(result: Result) -> RenderableType:
    """The comparison for a terminal: the verdict, the figures of both arms, and cautions."""
    verdict = build_verdict(result)
    cautions = [Text(f"Caution: {one}", style="yellow") for one in verdict.cautions]
    return Group(
        Text(verdict.sentence, style=STYLES[verdict.conclusion]),
        Text(verdict.amount),
        _figures_table(result),
        *cautions,
        _run_line(result),
    )


def _figures_table(result: Result) -> Table:
    before, after = both_arms(result)
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for arm in (before, after):
        table.add_column(Text(f"{arm.name}\n{arm.policy_version}"), justify="right")
    table.add_column("change", justify="right")
    for line in list_comparison_lines(result):
        cells = (_cell_text(one, line.strong) for one in (line.baseline, line.candidate, line.change))
        table.add_row(Text(line.name, style="bold" if line.strong else ""), *cells)
    return table


def _cell_text(cell: Cell, strong: bool) -> Text:
    """The interval below its figure, so that the table fits on a terminal of 80 columns."""
    text = Text(cell.text, style="bold" if strong else "")
    return text.append(f"\n{cell.interval}", style="not bold dim") if cell.interval else text


def _run_line(result: Result) -> Text:
    return Text(f"{result.recoveries:,} recoveries, source {result.source}, seed {result.seed}", style="dim")
