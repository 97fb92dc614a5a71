"""The export of the list of recoveries as CSV, streamed while it is read."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.admin.list_query import ListQuery, parse_list_query, search_known_customer
from api.admin.sessions import Viewer
from api.deps import Parts, PartsDep
from core.customer_ids import names_person
from core.events import format_timestamp
from core.money import to_major_units
from db.queries import recovery_search
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry

router: Final = APIRouter()
COLUMNS: Final = (
    "provider", "invoice_id", "customer_id", "state", "amount", "currency", "category", "cause", "segment", "strategy",
    "attempts_used", "attempts_allowed", "next_attempt_at", "until", "opened_at", "updated_at", "closed_at",
    "close_reason", "policy_version", "experiment", "arm", "recovery_id", "paid", "paid_late", "returned",
)  # fmt: skip
MONEY_COLUMNS: Final = {"amount", "paid", "paid_late", "returned"}
FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings that spreadsheets take for a formula: owasp.org/www-community/attacks/CSV_Injection."""
ROWS_PER_CHUNK: Final = 500
"""Rows sent at a time."""


@router.get("/recoveries.csv")
async def export_recoveries(request: Request, parts: PartsDep, person: Viewer) -> Response:
    """All recoveries that match the filter, in its order; amounts in major units, times in UTC.

    The export is recorded in the audit log with its filter.
    """
    wanted = parse_list_query(request.query_params, parts.clock())
    async with parts.database.begin() as session:
        wanted = await search_known_customer(session, wanted, parts.customer_ids.keys)
        done = AuditEntry(
            actor=person.name, role=person.role.value, action=AuditAction.EXPORTED, subject="recoveries",
            detail=_describe_filter(wanted),
        )  # fmt: skip
        await operator_actions.record_entry(session, done, parts.clock())
    name = f"recoveries-{parts.clock():%Y-%m-%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_csv_chunks(parts, wanted), media_type="text/csv; charset=utf-8", headers=headers)


def _describe_filter(wanted: ListQuery) -> dict[str, str]:
    """The filter for the audit log, which is never erased: without a customer's name or address."""
    kept = {name: value for name, value in wanted.chosen.items() if value}
    if q := wanted.filters.q:
        kept["q"] = "(a customer)" if names_person(q) else q
    return kept


async def _csv_chunks(parts: Parts, wanted: ListQuery) -> AsyncIterator[bytes]:
    yield _encode_rows([COLUMNS])
    kept: list[list[str]] = []
    async with parts.database.begin() as session:
        async for row in recovery_search.stream_matches(session, wanted.filters, wanted.sort):
            kept.append([to_csv_cell(_column_value(row, name)) for name in COLUMNS])
            if len(kept) >= ROWS_PER_CHUNK:
                yield _encode_rows(kept)
                kept = []
    yield _encode_rows(kept)


def _column_value(row: dict[str, Any], name: str) -> Any:
    if name in MONEY_COLUMNS and row["currency"]:
        return to_major_units(row[name], row["currency"])
    return row[name]


def to_csv_cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula: a text that begins like one gets a leading quote."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_timestamp(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.lstrip(" ").startswith(FORMULA_PREFIXES) else text


def _encode_rows(rows: Iterable[Iterable[str]]) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode()
