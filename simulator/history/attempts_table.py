"""Reads a CSV of charge attempts, a row per attempt, as failed invoices. Columns: docs/simulator-import.md."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from pydantic import ValidationError

from catalog.calendars import is_country, is_time_zone
from core.errors import InvalidInput, NotFound
from core.events import Trigger
from core.payment_history import EARLIEST_TIME, LATEST_TIME, MAX_AMOUNT, InvoiceEnding, PastAttempt, PastInvoice
from core.payments import Card, Failure, Outcome
from core.segmentation.rules import CustomerProfile

REQUIRED: Final = ("invoice", "attempted_at", "outcome", "amount", "currency")
CODES: Final = ("code", "advice", "network_code", "network_advice")
OPTIONAL: Final = (
    *CODES, "customer", "network", "card", "card_country", "country", "time_zone", "customer_since", "trigger",
    "paid_at", "method_at", "ended_at", "end",
)  # fmt: skip
COLUMNS: Final = (*REQUIRED, *OPTIONAL)
MAX_CELL_LENGTH: Final = 500
LONG_AGO: Final = datetime(1900, 1, 1, tzinfo=UTC)
OUTCOMES: Final = {"succeeded": Outcome.SUCCEEDED, "declined": Outcome.DECLINED}
Row = tuple[str, datetime, int, dict[str, str]]
"""Invoice id, time of the attempt in UTC, line number, non-empty cells by column."""


class AttemptsTable(NamedTuple):
    """The failed invoices of a table."""

    invoices: list[PastInvoice]
    never_failed: int
    """Number of invoices whose first charge succeeded; they are left out."""
    watched: bool
    """Whether the table has a column for payments without a charge."""


def read_attempts_table(path: Path, progress: Callable[[int], None] | None = None) -> AttemptsTable:
    """The failed invoices of a table, the oldest failure first. `progress` is called with the bytes read so far.

    Raises NotFound for no file, InvalidInput naming line and column.
    """
    try:
        with path.open("rb") as file:
            reader = csv.DictReader(_count_bytes(path, file, progress), strict=True)
            rows = list(_read_rows(path, reader))
            watched = "paid_at" in (reader.fieldnames or ())
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such file.") from error
    except OSError as error:
        raise InvalidInput(f"{path}: this file can't be read: {error.strerror or error}.") from error
    rows.sort(key=itemgetter(0, 1, 2))
    groups = [list(group) for _, group in groupby(rows, key=itemgetter(0))]
    failed = [group for group in groups if group[0][3]["outcome"] == Outcome.DECLINED]
    found = [_to_invoice(path, group) for group in failed]
    found.sort(key=lambda one: (one.failed_at, one.invoice_id))
    return AttemptsTable(found, len(groups) - len(failed), watched)


def _read_rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[Row]:
    try:
        _check_header(path, reader.fieldnames or ())
        for cells in reader:
            yield _parse_row(f"{path}:{reader.line_num}", reader.line_num, cells)
    except csv.Error as error:
        raise InvalidInput(f"{path}:{reader.reader.line_num}: {error}.") from error


def _count_bytes(path: Path, file: IO[bytes], progress: Callable[[int], None] | None) -> Iterator[str]:
    done = 0
    for number, line in enumerate(file, 1):
        done += len(line)
        if progress:
            progress(done)
        try:
            # The first line may begin with a mark that says UTF-8.
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path}:{number}: the line is no UTF-8.") from error


def _check_header(path: Path, names: Any) -> None:
    listed = [name.strip() for name in names]
    known = set(listed)
    if twice := sorted(name for name, count in Counter(listed).items() if count > 1):
        raise InvalidInput(f"{path}:1: the columns {', '.join(twice)} come twice.")
    if missing := [name for name in REQUIRED if name not in known]:
        raise InvalidInput(f"{path}:1: the columns {', '.join(missing)} are missing; see docs/simulator-import.md.")
    if unknown := sorted(known - set(COLUMNS)):
        raise InvalidInput(f"{path}:1: unknown columns: {', '.join(unknown)}; there are {', '.join(COLUMNS)}.")


def _parse_row(where: str, line: int, raw: Mapping[str | None, Any]) -> Row:
    if None in raw or None in raw.values():
        raise InvalidInput(f"{where}: the line has another number of cells than the header.")
    cells = {str(name).strip(): value.strip() for name, value in raw.items() if value.strip()}
    for name, value in cells.items():
        if not value.isprintable() or len(value) > MAX_CELL_LENGTH:
            raise InvalidInput(
                f"{where}: column {name}: this is no text of one line with at most {MAX_CELL_LENGTH} letters."
            )
    if missing := [name for name in REQUIRED if name not in cells]:
        raise InvalidInput(f"{where}: column {missing[0]}: there is nothing in it.")
    _check_cells(where, cells)
    return cells["invoice"], _parse_moment(where, "attempted_at", cells["attempted_at"]), line, cells


def _check_cells(where: str, cells: dict[str, str]) -> None:
    if cells["outcome"] not in OUTCOMES:
        raise InvalidInput(f"{where}: column outcome: {cells['outcome']!r} is neither succeeded nor declined.")
    _check_amount(where, cells["amount"])
    if cells.get("trigger", Trigger.SCHEDULED) not in set(Trigger):
        raise InvalidInput(f"{where}: column trigger: {cells['trigger']!r} is none of {', '.join(Trigger)}.")
    if cells.get("end", InvoiceEnding.OPEN) not in set(InvoiceEnding):
        raise InvalidInput(f"{where}: column end: {cells['end']!r} is none of {', '.join(InvoiceEnding)}.")
    for name in ("customer_since", "paid_at", "method_at", "ended_at"):
        if name in cells:
            _parse_moment(where, name, cells[name])
    _check_places(where, cells)
    cells["currency"] = cells["currency"].upper()
    if not (len(cells["currency"]) == 3 and cells["currency"].isascii() and cells["currency"].isalpha()):
        raise InvalidInput(f"{where}: column currency: {cells['currency']!r} is no ISO 4217 code.")


def _check_amount(where: str, text: str) -> None:
    """Raises InvalidInput unless the text is a whole number of minor units from 1 to MAX_AMOUNT."""
    # Length first: int() refuses text of thousands of digits.
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits:
        raise InvalidInput(f"{where}: column amount: {text!r} is no whole number of minor currency units.")
    if len(digits) > len(str(MAX_AMOUNT)) or int(digits) > MAX_AMOUNT:
        raise InvalidInput(f"{where}: column amount: {digits[:20]}… is more than any invoice; at most {MAX_AMOUNT}.")


def _check_places(where: str, cells: Mapping[str, str]) -> None:
    for name in ("country", "card_country"):
        if name in cells and not is_country(cells[name].upper()):
            raise InvalidInput(f"{where}: column {name}: {cells[name]!r} is no ISO 3166 code like DE.")
    if "time_zone" in cells and not is_time_zone(cells["time_zone"]):
        zone = cells["time_zone"]
        raise InvalidInput(f"{where}: column time_zone: {zone!r} is no zone of the tz database like Europe/Berlin.")


def _parse_moment(where: str, column: str, text: str) -> datetime:
    """The time in UTC; a text without an offset is taken as UTC. Raises InvalidInput naming the column."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{where}: column {column}: {text!r} is no time like 2026-03-02T09:30:00Z.") from error
    known = found if found.tzinfo else found.replace(tzinfo=UTC)
    earliest = LONG_AGO if column == "customer_since" else EARLIEST_TIME
    # Compared before it is converted: the ends of the calendar have no moment in UTC.
    if not earliest <= known < LATEST_TIME:
        years = f"{earliest.year} and {LATEST_TIME.year}"
        raise InvalidInput(f"{where}: column {column}: {text!r} does not lie between {years}.")
    return known.astimezone(UTC)


def _to_invoice(path: Path, rows: list[Row]) -> PastInvoice:
    """The invoice of these rows, ordered by time; a fact about the invoice may stand in any of them."""
    # Reversed, so that the first row that fills a column wins.
    cells = {name: text for row in reversed(rows) for name, text in row[3].items()}
    where = f"{path}:{rows[0][2]}"
    for _, _, line, mine in rows:
        if (mine["amount"], mine["currency"]) != (cells["amount"], cells["currency"]):
            raise InvalidInput(f"{path}:{line}: column amount: invoice {cells['invoice']} has another amount above.")
    attempts = [_to_attempt(row, cells) for row in rows]
    method_at = _method_change_at(where, rows, cells)
    known = {name: _parse_moment(where, name, cells[name]) for name in ("paid_at", "ended_at") if name in cells}
    try:
        return PastInvoice(
            invoice_id=cells["invoice"],
            customer_id=cells.get("customer"),
            amount=int(cells["amount"]),
            currency=cells["currency"],
            card=Card(
                fingerprint=rows[0][3].get("card"),
                network=rows[0][3].get("network", "").lower() or None,
                country=_country_code(cells.get("card_country")),
            ),
            country=_country_code(cells.get("country")),
            time_zone=cells.get("time_zone"),
            profile=_to_profile(where, rows[0][1], cells),
            attempts=tuple(attempts),
            method_at=method_at,
            end=_invoice_end(attempts, cells),
            **known,
        )
    except ValidationError as error:
        message = str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
        raise InvalidInput(f"{where}: invoice {cells['invoice']}: {message}.") from error


def _to_attempt(row: Row, invoice: Mapping[str, str]) -> PastAttempt:
    _, at, _, cells = row
    codes = {name: cells[name] for name in CODES if name in cells}
    network = cells.get("network") or invoice.get("network")
    failure = Failure(network=network.lower() if network else None, **codes)
    return PastAttempt(
        at=at,
        outcome=OUTCOMES[cells["outcome"]],
        trigger=Trigger(cells.get("trigger", Trigger.SCHEDULED)),
        failure=failure if cells["outcome"] == Outcome.DECLINED else Failure(),
    )


def _method_change_at(where: str, rows: list[Row], cells: Mapping[str, str]) -> datetime | None:
    """When the customer gave another card: as the table says, or when another card was first charged."""
    if "method_at" in cells:
        return _parse_moment(where, "method_at", cells["method_at"])
    first = rows[0][3].get("card")
    return next((at for _, at, _, mine in rows if first and mine.get("card", first) != first), None)


def _to_profile(where: str, failed_at: datetime, cells: Mapping[str, str]) -> CustomerProfile:
    since = _parse_moment(where, "customer_since", cells["customer_since"]) if "customer_since" in cells else None
    return CustomerProfile(tenure_days=max((failed_at - since).days, 0) if since else None)


def _invoice_end(attempts: list[PastAttempt], cells: Mapping[str, str]) -> InvoiceEnding:
    """How the invoice ended: as the table says; by default an unpaid one is lost."""
    paid = attempts[-1].outcome is Outcome.SUCCEEDED or "paid_at" in cells
    return InvoiceEnding.PAID if paid else InvoiceEnding(cells.get("end", InvoiceEnding.LOST))


def _country_code(text: str | None) -> str | None:
    return text.upper() if text else None
