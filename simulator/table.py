"""The comparison on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.figures import Cell, both_arms, list_comparison_lines
from simulator.result import Result
from simulator.verdict import Conclusion, build_verdict

STYLES = {
    Conclusion.BETTER: "bold green",
    Conclusion.WORSE: "bold red",
    Conclusion.SAME: "bold",
    Conclusion.UNDECIDED: "bold yellow",
}


def render_comparison(result: Result) -> RenderableType:
    """The verdict, the figures of both arms, and what speaks against trusting them."""
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
