"""`pri import stripe`, `pri import csv`: failed invoices of the past, as a history file for `pri simulate --source`."""

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
    """How far an import has come; kept beside the file until it is complete."""

    since: AwareDatetime | None
    until: AwareDatetime
    """Fixed when the import began, so that no page moves while it runs."""
    after: str | None = None
    """The invoice behind which it goes on."""
    back_to: AwareDatetime | None = None
    """When that one was made."""
    size: int = 0
    """Bytes of the unfinished file that count."""
    invoices: int = 0
    failed: int = 0
    unclear: int = 0
    complete: bool = False
    """Everything has been read; only the file is not in its place yet."""


class UnfinishedImport:
    """The two files beside the one that is wanted: what was read so far, and how far that is."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._lines = out.with_name(f"{out.name}.part")
        self._state = out.with_name(f"{out.name}.state")

    def load_progress(self, since: datetime | None, until: datetime | None) -> ImportProgress:
        """How far an earlier run came, or the beginning. Raises InvalidInput where that was about other days."""
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
        """Write lines behind what counts so far; answers with the size that counts now."""
        with self._lines.open("r+b") as file:
            file.seek(before.size)
            file.truncate()
            file.write("".join(f"{line}\n" for line in lines).encode())
            return file.tell()

    def save_progress(self, progressed: ImportProgress) -> None:
        """From here on, in whatever way this run ends."""
        beside = self._state.with_name(f"{self._state.name}.new")
        beside.write_text(progressed.model_dump_json(), encoding="utf-8")
        beside.replace(self._state)

    def finish(self, provider: str) -> int:
        """The file that was wanted, and nothing beside it; how many invoices are in it."""
        with self._lines.open(encoding="utf-8") as lines:
            count = files.write_history_file(
                self._out, files.build_history_header(provider, "pri import stripe"), lines
            )
        self._state.unlink()
        self._lines.unlink()
        return count


def import_from_stripe(out: Path, since: datetime | None, until: datetime | None) -> None:
    """Reads what Stripe knows of failed invoices into a history file; goes on where an earlier run stopped.

    Raises InvalidInput, ProviderUnavailable.
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
        console.print_note("stopped; the same command goes on from here")
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
    """Without a country or zone that doesn't exist: what merchants write into Stripe's metadata is no mistake here."""
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
    """Seconds that are read, of those between the two days; invoices, where there is no first day."""
    if now.since is None:
        return now.invoices
    return (now.until - (now.since if now.complete else now.back_to or now.until)).total_seconds()


def import_from_csv(table: Path, out: Path, provider: str) -> None:
    """Turns a table of attempts into a history file. Raises NotFound, InvalidInput naming line and column."""
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
    """Found out before an hour of reading. Raises InvalidInput."""
    if out.is_dir():
        raise InvalidInput(f"{out}: this is a folder; name the file to write.")
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"{out}: there is no folder {out.absolute().parent}.")
