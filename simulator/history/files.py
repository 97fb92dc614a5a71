"""History files: JSON Lines, a header and then one failed invoice a line. Gzip where the name ends in `.gz`.

The format is documented in docs/simulator-import.md. A file is written under a temporary name and renamed when it is
complete, so that no reader finds half a file.
"""

import gzip
import itertools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

from pydantic import ValidationError

from catalog.calendars import is_country, is_time_zone
from core.base import Value
from core.classification.taxonomy import Cause
from core.errors import InvalidInput, NotFound
from core.events import State
from core.payment_history import InvoiceEnding, PastInvoice
from core.payments import Card, Failure, Outcome
from simulator.history.columns import History, HistoryBuilder
from simulator.history.event_log import has_reached_network
from simulator.history.recorded import RecordedAttempt, RecordedRecovery
from simulator.model.cases import FailureKind, Payer

FORMAT: Final = "pri-history"
VERSION: Final = 1
MAX_LINE_BYTES: Final = 1_000_000
"""The longest line accepted, in bytes."""

Classify = Callable[[str, Failure, Card], Cause]
"""Returns the cause of a provider's failure on a card, by today's tables and overrides."""


class HistoryHeader(Value):
    """The first line of a history file."""

    format: str
    version: int
    provider: str
    """Whose codes these are."""
    made_by: str = ""
    watched: bool = True
    """Whether payments without a charge and new cards are recorded; if not, nothing is fitted to them."""


def format_history_line(invoice: PastInvoice) -> str:
    """An invoice as one line of JSON, without a line break."""
    return invoice.model_dump_json(exclude_none=True, exclude_defaults=True)


def build_history_header(provider: str, made_by: str, *, watched: bool = True) -> HistoryHeader:
    """The first line of a new file."""
    return HistoryHeader(format=FORMAT, version=VERSION, provider=provider, made_by=made_by, watched=watched)


def write_history_file(path: Path, first: HistoryHeader, lines: Iterable[str]) -> int:
    """Writes the file and returns the number of invoices. An interruption leaves no file. Raises InvalidInput."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        with _open_for_writing(beside, zipped=path.suffix == ".gz") as file:
            file.write(first.model_dump_json() + "\n")
            for line in lines:
                file.write(line.rstrip("\n") + "\n")
                count += 1
        beside.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def read_history_file(path: Path, classify: Classify, progress: Callable[[int], None] | None = None) -> History:
    """The history in a file. `progress` is called with the invoices read so far, every 1,000 lines.

    Raises NotFound for a missing file, InvalidInput naming the line for anything else that is wrong with it.
    """
    with _open_lines(path) as lines:
        first = _parse_header(path, next(lines, ""))
        growing = HistoryBuilder(path.name, first.provider, watched=first.watched)
        for number, line in enumerate(lines, 2):
            if line.strip():
                growing.extend([_to_recorded(_parse_invoice(path, number, line), first.provider, classify)])
            if progress and number % 1_000 == 0:
                progress(len(growing))
    if not len(growing):
        raise InvalidInput(f"{path}: there are no recoveries in this history.")
    return growing.build_history()


@contextmanager
def _open_lines(path: Path) -> Iterator[Iterator[str]]:
    try:
        with _open_for_reading(path) as file:
            yield _split_lines(file, path)
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such file.") from error
    except OSError as error:
        raise InvalidInput(f"{path}: this file can't be read: {error.strerror or error}.") from error


def _split_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    for number in itertools.count(1):
        try:
            line = file.readline(MAX_LINE_BYTES)
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path}:{number}: the line is no UTF-8.") from error
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInput(f"{path}:{number}: from here on the file is damaged: {error}.") from error
        if not line:
            return
        if len(line) == MAX_LINE_BYTES:
            raise InvalidInput(f"{path}:{number}: the line is too long for a history file.")
        yield text


def _open_for_reading(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _open_for_writing(path: Path, *, zipped: bool) -> IO[str]:
    return gzip.open(path, "wt", encoding="utf-8") if zipped else path.open("w", encoding="utf-8")


def _parse_header(path: Path, line: str) -> HistoryHeader:
    try:
        found = HistoryHeader.model_validate_json(line)
    except ValidationError:
        found = None
    if found is None or found.format != FORMAT:
        raise InvalidInput(
            f"{path}:1: this is no history file: its first line doesn't say so. Make one with `pri import stripe` or "
            "`pri import csv`."
        )
    if found.version != VERSION:
        raise InvalidInput(f"{path}:1: version {found.version} of the format isn't known here, only {VERSION}.")
    return found


def _parse_invoice(path: Path, number: int, line: str) -> PastInvoice:
    try:
        return _check_places(path, number, PastInvoice.model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise InvalidInput(f"{path}:{number}: {where + ': ' if where else ''}{message}") from error


def _check_places(path: Path, number: int, invoice: PastInvoice) -> PastInvoice:
    """The invoice. Raises InvalidInput unless its countries and time zone exist."""
    profile, card = invoice.profile, invoice.card
    countries = {"country": invoice.country, "card.country": card.country, "profile.country": profile.country}
    for name, code in countries.items():
        if code and not is_country(code):
            raise InvalidInput(f"{path}:{number}: {name}: {code!r} is no ISO 3166 code of two capital letters.")
    if invoice.time_zone and not is_time_zone(invoice.time_zone):
        raise InvalidInput(f"{path}:{number}: time_zone: {invoice.time_zone!r} is no zone like Europe/Berlin.")
    return invoice


def _to_recorded(invoice: PastInvoice, provider: str, classify: Classify) -> RecordedRecovery:
    attempts, causes = _to_attempts(invoice, provider, classify)
    opening = invoice.attempts[0].failure
    profile = invoice.profile
    return RecordedRecovery(
        invoice_id=invoice.invoice_id,
        customer_id=invoice.customer_id or invoice.invoice_id,
        kind=FailureKind(
            failure=opening.model_copy(update={"charge_id": None, "method_id": None}),
            card=invoice.card.model_copy(update={"fingerprint": None, "last4": None}),
            risk=invoice.risk,
        ),
        cause=causes[0],
        fingerprint=invoice.card.fingerprint,
        payer=Payer(
            amount=invoice.amount,
            currency=invoice.currency,
            country=invoice.country,
            time_zone=invoice.time_zone,
            profile=profile,
        ),
        failed_at=_to_seconds(invoice.failed_at),
        attempts=attempts,
        tries=tuple(_network_tries(invoice)),
        paid_at=_to_seconds(invoice.paid_at) if invoice.paid_at else None,
        method_at=_to_seconds(invoice.method_at) if invoice.method_at else None,
        closed_at=_closed_seconds(invoice),
        state=_STATES.get(invoice.end),
        reason=invoice.end.value,
    )


def _to_attempts(
    invoice: PastInvoice, provider: str, classify: Classify
) -> tuple[tuple[RecordedAttempt, ...], list[Cause]]:
    """Every charge after the first one, and the cause of each attempt's failure."""
    causes = [classify(provider, one.failure, invoice.card) for one in invoice.attempts]
    found: list[RecordedAttempt] = []
    used, fresh_from = 0, invoice.method_at
    for number, one in enumerate(invoice.attempts[1:]):
        before = invoice.attempts[number]
        fresh = fresh_from is not None and one.at >= fresh_from
        waited = int((one.at - before.at).total_seconds())
        won = one.outcome is Outcome.SUCCEEDED
        found.append(RecordedAttempt(_to_seconds(one.at), one.trigger, won, causes[number], used + 1, waited, fresh))
        used += int(one.trigger.uses_budget)
        fresh_from = None if fresh else fresh_from
    return tuple(found), causes


def _network_tries(invoice: PastInvoice) -> Iterator[int]:
    """Times of the first card's charges that reached its network."""
    for one in invoice.attempts:
        if invoice.method_at and one.at >= invoice.method_at:
            return
        if one.outcome is Outcome.SUCCEEDED or has_reached_network(one.failure):
            yield _to_seconds(one.at)


def _closed_seconds(invoice: PastInvoice) -> int | None:
    if invoice.end is InvoiceEnding.OPEN:
        return None
    return _to_seconds(invoice.ended_at or invoice.paid_at or invoice.attempts[-1].at)


def _to_seconds(at: Any) -> int:
    return int(at.timestamp())


_STATES: Final = {
    InvoiceEnding.PAID: State.RECOVERED,
    InvoiceEnding.LOST: State.EXHAUSTED,
    InvoiceEnding.CANCELED: State.CANCELED,
}
