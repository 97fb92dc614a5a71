"""Prints the demo's results: timelines, messages and a summary, as plain text if stdout is no terminal."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from commands.demo.driver import Row
from commands.demo.mail_server import is_about_invoice
from commands.demo.results import ScenarioResult
from commands.demo.row_text import describe_row
from commands.demo.scenario_clock import ScenarioClock
from core.formatting import format_duration

PIPE_WIDTH: Final = 160
NARROW_WIDTH: Final = 120
"""Width in columns below which the data of a row gets a line of its own."""


@contextmanager
def captured_console() -> Iterator[Console]:
    """A console whose output goes to stdout at the end: in colour on a terminal, else plain text of a fixed width."""
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out = Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    with out.capture() as captured:
        yield out
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    sys.stdout.flush()


def print_timelines(out: Console, played: Iterable[ScenarioResult], scale: int) -> None:
    """Prints every scenario's description and log."""
    for number, one in enumerate(played, start=1):
        out.print()
        out.print(Text(f"{number}. {one.scenario.description}", style="bold"))
        if one.rows:
            out.print(Text(f"   {one.rows[0]['recovery_id']}", style="dim"))
        out.print(Padding(_timeline_grid(one.rows, scale, out.width), (0, 0, 0, 3)))


def _timeline_grid(rows: Sequence[Row], scale: int, width: int) -> RenderableType:
    read = ScenarioClock(scale).follow_rows(rows)
    if width < NARROW_WIDTH:
        return Group(*(part for since, row in read for part in _narrow_row(since, row)))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for since, row in read:
        grid.add_row(
            f"+{format_duration(since)}", Text(row["type"], style="cyan"), _state_change(row), Text(describe_row(row))
        )
    return grid


def _narrow_row(since: timedelta, row: Row) -> tuple[RenderableType, ...]:
    first = Text.assemble(f"{'+' + format_duration(since):>12}  ", (f"{row['type']:<24}", "cyan"), _state_change(row))
    return first, Padding(Text(describe_row(row), overflow="fold"), (0, 0, 0, 14))


def _state_change(row: Row) -> str:
    before, after = row["from_state"], row["to_state"]
    return "" if before == after else f"{before} -> {after}" if before else f"-> {after}"


def print_messages(out: Console, played: Iterable[ScenarioResult], mails: Sequence[EmailMessage]) -> None:
    """Prints the mails that the demo's mail server received, by scenario, and one mail in full."""
    out.print()
    out.print(Text(f"E-mail to customers: {len(mails)} messages reached the demo's mail server", style="bold"))
    grid = Table.grid(padding=(0, 2))
    for one in played:
        for mail in mails:
            if one.invoice and is_about_invoice(mail, one.invoice):
                grid.add_row(f"   {one.scenario.name}", to_ascii(mail["To"]), to_ascii(mail["Subject"]))
    out.print(grid)
    if mails and (body := mails[0].get_body(("plain",))):
        out.print(Padding(Text(to_ascii(body.get_content()).strip(), style="dim"), (1, 0, 0, 6)))


def to_ascii(text: object) -> str:
    """The text in ASCII, which every terminal and pipe shows; other characters become `?`."""
    return str(text).replace("\N{EURO SIGN}", "EUR ").encode("ascii", "replace").decode()


def print_summary(out: Console, played: Iterable[ScenarioResult]) -> None:
    """Prints one line per scenario."""
    table = Table(box=box.ASCII2 if not out.is_terminal else box.ROUNDED)
    for name in ("scenario", "expected", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("webhooks sent", justify="right")
    table.add_column("charges at the provider", justify="right")
    table.add_column("verdict", overflow="fold")
    for one in played:
        verdict = Text(one.complaint, style="red") if one.complaint else Text("ok", style="green")
        table.add_row(
            one.scenario.name,
            one.scenario.ending.value,
            one.state,
            str(one.webhooks),
            _charge_count(one.charges),
            verdict,
        )
    out.print()
    out.print(table)


def _charge_count(keys: Sequence[str | None]) -> str:
    """Number of charges, marked if one was not ours: only our charges have a key."""
    return f"{len(keys)}{' (theirs)' if None in keys else ''}"


def print_addresses(out: Console, places: Mapping[str, str]) -> None:
    """Prints the addresses of the running stack."""
    grid = Table.grid(padding=(0, 2))
    for name, address in places.items():
        grid.add_row(name, Text(address, overflow="fold"))
    out.print(grid)
