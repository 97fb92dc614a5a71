"""The comparison on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.figures import arms, lines
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
    table.add_column("")
    for arm in (before, after):
        table.add_column(Text(f"{arm.name} {arm.policy_version}"), justify="right")
    table.add_column("change", justify="right")
    for line in lines(result):
        style = "bold" if line.strong else ""
        cells = (line.baseline.whole, line.candidate.whole, line.change.whole)
        table.add_row(*map(Text, (line.name, *cells)), style=style)
    return table


def _ran(result: Result) -> Text:
    return Text(f"{result.recoveries:,} recoveries, source {result.source}, seed {result.seed}", style="dim")
