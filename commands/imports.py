"""`pri import stripe`, `pri import csv`: write past failed invoices to a history file for `pri simulate --source`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from catalog.calendars import is_country, is_time_zone
from commands import console
from core.base import Value
from core.errors import InvalidInput
from core.formatting import format_day
from core.payment_history import PastInvoice
from providers.base import load_providers
from providers.stripe.config import StripeConfig
from providers.stripe.history import StripeHistory
from settings import read_environment
from simulator.history import attempts_table, files

STRIPE_PROVIDER: Final = "stripe"


class ImportProgress(Value):
    """Progress of an import; stored beside the file until the import is complete."""

    since: AwareDatetime | None
    until: AwareDatetime
    """Fixed when the import began, so that new invoices don't shift its pages."""
    after: str | None = None
    """Id of the last invoice read; the import continues after it."""
    back_to: AwareDatetime | None = None
    """When that invoice was created."""
    size: int = 0
    """Valid bytes of the unfinished file; bytes beyond are from a page that was not completed."""
    invoices: int = 0
    failed: int = 0
    unclear: int = 0
    complete: bool = False
    """Whether everything has been read, and only the final file is missing."""


class UnfinishedImport:
    """The two files beside the target file of an import: the invoices read so far, and the progress."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._lines = out.with_name(f"{out.name}.part")
        self._state = out.with_name(f"{out.name}.state")

    def load_progress(self, since: datetime | None, until: datetime | None) -> ImportProgress:
        """The progress of an earlier run, or a new one. Raises InvalidInput if the earlier run was for other days."""
        if not self._state.exists():
            found = ImportProgress(since=since, until=until or datetime.now(UTC).replace(microsecond=0))
            self._lines.write_text("", encoding="utf-8")
            return found
        try:
            found = ImportProgress.model_validate_json(self._state.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self._state}: this can't be read; remove it to begin anew.") from error
        if found.since != since or (until and found.until != until):
            raise InvalidInput(
                f"{self._state}: an unfinished import of other days lies here; give the same --since and --until to go "
                "on with it, or remove this file to begin anew."
            )
        return found

    def append_lines(self, lines: list[str], before: ImportProgress) -> int:
        """Appends lines after the valid bytes; returns the new number of valid bytes."""
        # Cut off first: a crash between this write and save_progress left lines that are written again now.
        with self._lines.open("r+b") as file:
            file.seek(before.size)
            file.truncate()
            file.write("".join(f"{line}\n" for line in lines).encode())
            return file.tell()

    def save_progress(self, progressed: ImportProgress) -> None:
        """Stores the progress; a later run continues from it."""
        # Replaced as a whole, so that a crash never leaves half a file.
        beside = self._state.with_name(f"{self._state.name}.new")
        beside.write_text(progressed.model_dump_json(), encoding="utf-8")
        beside.replace(self._state)

    def finish(self, provider: str) -> int:
        """Writes the target file, removes the two others, and returns the number of invoices."""
        with self._lines.open(encoding="utf-8") as lines:
            count = files.write_history_file(
                self._out, files.build_history_header(provider, "pri import stripe"), lines
            )
        self._state.unlink()
        self._lines.unlink()
        return count


def import_from_stripe(out: Path, since: datetime | None, until: datetime | None) -> None:
    """Reads failed invoices from Stripe into a history file; continues where an earlier run stopped.

    Raises InvalidInput for a target or days that can't be used, or if no charge failed; ProviderUnavailable.
    """
    _check_writable(out)
    if since and until and since >= until:
        raise InvalidInput("--since must be before --until.")
    unfinished = UnfinishedImport(out)
    config = StripeConfig.from_environment(read_environment())
    reader = StripeHistory(config)
    begun = unfinished.load_progress(since, until)
    try:
        done = asyncio.run(_read_pages(reader, unfinished, begun))
    except KeyboardInterrupt:
        console.print_note("stopped; the same command continues from here")
        raise
    if not done.failed:
        raise InvalidInput(f"Stripe has {done.invoices} invoices of these days, and none whose charges failed.")
    count = unfinished.finish(STRIPE_PROVIDER)
    console.print_result(f"{out}: {count} failed invoices of {done.invoices}")
    if done.unclear:
        console.print_note(f"{done.unclear} were left out: Stripe shows no declined charge of them")


async def _read_pages(reader: StripeHistory, unfinished: UnfinishedImport, now: ImportProgress) -> ImportProgress:
    try:
        with _progress_bar() as bar:
            task = bar.add_task(f"invoices, {now.failed} failed", completed=now.invoices, total=None)
            while not now.complete:
                page = await reader.read_page(now.since, now.until, now.after)
                size = unfinished.append_lines(
                    [files.format_history_line(_without_unknown_places(one)) for one in page.failed_invoices], now
                )
                now = now.model_copy(
                    update={
                        "after": page.last_invoice_id,
                        "back_to": page.oldest_created_at or now.back_to,
                        "size": size,
                        "invoices": now.invoices + page.invoice_count,
                        "failed": now.failed + len(page.failed_invoices),
                        "unclear": now.unclear + page.unclear_count,
                        "complete": page.last_invoice_id is None,
                    }
                )
                unfinished.save_progress(now)
                shown = (
                    f"invoices back to {format_day(now.back_to)}, {now.failed} failed" if now.back_to else "invoices"
                )
                bar.update(task, completed=_read_amount(now), total=_total_seconds(now), description=shown)
    finally:
        await reader.close()
    return now


def _without_unknown_places(invoice: PastInvoice) -> PastInvoice:
    """The invoice without countries and time zones that don't exist."""
    # Merchants write free text into Stripe's metadata; an unknown place there must not end the import.
    card, profile, zone = invoice.card, invoice.profile, invoice.time_zone
    kept = {
        "country": _known_country(invoice.country),
        "time_zone": zone if zone and is_time_zone(zone) else None,
        "card": card.model_copy(update={"country": _known_country(card.country)}),
        "profile": profile.model_copy(update={"country": _known_country(profile.country)}),
    }
    return invoice.model_copy(update=kept)


def _known_country(country: str | None) -> str | None:
    return country if country and is_country(country) else None


def _total_seconds(now: ImportProgress) -> float | None:
    return (now.until - now.since).total_seconds() if now.since else None


def _read_amount(now: ImportProgress) -> float:
    """Progress in seconds of the period that was read; without a first day, in invoices."""
    if now.since is None:
        return now.invoices
    return (now.until - (now.since if now.complete else now.back_to or now.until)).total_seconds()


def import_from_csv(table: Path, out: Path, provider: str) -> None:
    """Converts a table of attempts to a history file. Raises NotFound, or InvalidInput naming line and column."""
    _check_writable(out)
    if provider not in load_providers({}):
        raise InvalidInput(f"No provider is called {provider}; there are {', '.join(sorted(load_providers({})))}.")
    with _progress_bar() as bar:
        task = bar.add_task("attempts", total=table.stat().st_size if table.exists() else None)
        found = attempts_table.read_attempts_table(table, lambda done: bar.update(task, completed=done))
    if not found.invoices:
        raise InvalidInput(f"{table}: there is no invoice whose first attempt was declined.")
    first = files.build_history_header(provider, "pri import csv", watched=found.watched)
    count = files.write_history_file(out, first, (files.format_history_line(one) for one in found.invoices))
    console.print_result(f"{out}: {count} failed invoices")
    if found.never_failed:
        console.print_note(f"{found.never_failed} invoices were left out: their first attempt went through")
    if not found.watched:
        console.print_note("without a column paid_at nothing is learnt of customers who pay by themselves")


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar


def _check_writable(out: Path) -> None:
    """Raises InvalidInput if the target can't be written; checked first, since reading may take an hour."""
    if out.is_dir():
        raise InvalidInput(f"{out}: this is a folder; name the file to write.")
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"{out}: there is no folder {out.absolute().parent}.")
