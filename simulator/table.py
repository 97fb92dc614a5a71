"""The comparison on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.figures import Cell, arms, lines
from simulator.result import Result
from simulator.verdict import Finding, verdict

STYLES = {
    Finding.BETTER: "bold green",
    Finding.WORSE: "bold red",
    Finding.SAME: "bold",
    Finding.UNDECIDED: "bold yellow",
}


def comparison(result: Result) -> RenderableType:
    """The verdict, the figures of both arms, and what speaks against trusting them."""
    said = verdict(result)
    cautions = [Text(f"Caution: {one}", style="yellow") for one in said.cautions]
    return Group(
        Text(said.sentence, style=STYLES[said.finding]), Text(said.amount), _figures(result), *cautions, _ran(result)
    )


def _figures(result: Result) -> Table:
    before, after = arms(result)
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for arm in (before, after):
        table.add_column(Text(f"{arm.name}\n{arm.policy_version}"), justify="right")
    table.add_column("change", justify="right")
    for line in lines(result):
        cells = (_cell(one, line.strong) for one in (line.baseline, line.candidate, line.change))
        table.add_row(Text(line.name, style="bold" if line.strong else ""), *cells)
    return table


def _cell(cell: Cell, strong: bool) -> Text:
    """The interval below its figure, so that the table fits on a terminal of 80 columns."""
    text = Text(cell.text, style="bold" if strong else "")
    return text.append(f"\n{cell.interval}", style="not bold dim") if cell.interval else text


def _ran(result: Result) -> Text:
    return Text(f"{result.recoveries:,} recoveries, source {result.source}, seed {result.seed}", style="dim")
