"""The options of `pri import stripe` and `pri import csv`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="The history file to write; compressed where the name ends in .gz.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC.")]


def imports_stripe(out: Out, since: Day = None, until: Day = None) -> None:
    """Read failed invoices and their charges from Stripe, with a key that may only read (STRIPE_API_KEY).

    Invoices made from --since on and before --until; all of them when left out. Broken off, the same command goes
    on where it was.
    """
    from commands.imports import import_from_stripe

    import_from_stripe(out, *(day.replace(tzinfo=UTC) if day else None for day in (since, until)))


def imports_csv(
    table: Annotated[Path, typer.Argument(help="One row an attempt; its columns are in docs/simulator-import.md.")],
    out: Out,
    provider: Annotated[str, typer.Option(help="Whose decline codes the table holds.")] = "stripe",
) -> None:
    """Turn a table of charge attempts into a history file."""
    from commands.imports import import_from_csv

    import_from_csv(table, out, provider)
