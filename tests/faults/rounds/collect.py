"""Reads a round's evidence: the gateway's file, SQL, Temporal's command line. Nothing of it runs the product's code."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.faults.rounds.database import read_rows
from tests.faults.rounds.evidence import Charge, Evidence, InboxRow, KeyLifetime, PayCall
from tests.support.service import RunningService

INBOX = "SELECT event_id, outcome, reason, recovery_id FROM webhook_inbox"


async def collect_evidence(service: RunningService, mails: Iterable[str]) -> Evidence:
    """Everything that there is now. The gateway is read first: what it has heard must be in the log by then.

    Raises psycopg.OperationalError while the database is away.
    """
    path, url = service.stack.data_dir / "sandbox.db", service.stack.addresses.owner_url
    calls, charges, accepted = await asyncio.to_thread(read_gateway, path)
    lifetime = await asyncio.to_thread(read_key_lifetime, path)
    rows = await asyncio.to_thread(read_rows, url, "SELECT * FROM event_log")
    inbox = await asyncio.to_thread(read_rows, url, INBOX)
    runs = await _list_runs(service)
    return Evidence(
        pay_calls=calls,
        charges=charges,
        rows=tuple(rows),
        inbox=tuple(InboxRow(**row) for row in inbox),
        accepted=accepted,
        mails=tuple(mails),
        running=frozenset(name for name, status in runs if status == "RUNNING"),
        failed=frozenset(name for name, status in runs if status != "RUNNING"),
        key_lifetime=lifetime,
        read_at=time.time(),
    )


async def _list_runs(service: RunningService) -> list[tuple[str, str]]:
    """Workflow and status of each run that has not come to its own end."""
    query = "ExecutionStatus IN ('Running', 'Failed', 'TimedOut')"
    output = await service.run_temporal_cli("workflow", "list", "--query", query, "--output", "json")
    runs = json.loads(output or "[]")
    return [(run["execution"]["workflowId"], run["status"].rpartition("STATUS_")[2]) for run in runs]


def read_gateway(path: Path) -> tuple[tuple[PayCall, ...], tuple[Charge, ...], tuple[str, ...]]:
    """The pay calls, the successful charges and the ids of webhooks answered with 2xx in the sandbox's file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        books.row_factory = sqlite3.Row
        books.execute("BEGIN")  # one state of everything
        charges = tuple(Charge(*row) for row in books.execute("SELECT invoice, charge, origin FROM ledger"))
        events = [event["id"] for event in _documents(books, "event") if event["delivered"]]
        return _read_pay_calls(books), charges, tuple(events)


def read_key_lifetime(path: Path) -> KeyLifetime:
    """How long the sandbox keeps idempotency keys: a day, if a round has not shortened it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        for document in _documents(books, "key_lifetime"):
            return KeyLifetime(document["seconds"], document["since"])
    return KeyLifetime()


def list_undelivered(path: Path) -> list[str]:
    """The ids of the events that the service has not answered with 2xx, oldest first."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        return [event["id"] for event in _documents(books, "event") if not event["delivered"]]


def _read_pay_calls(books: sqlite3.Connection) -> tuple[PayCall, ...]:
    invoices = {invoice["id"]: invoice for invoice in _documents(books, "invoice")}
    methods = list(_documents(books, "payment_method"))
    cards = {method["id"]: method["card"] for method in methods if method.get("card")}
    # Until a customer has a second card, the first is what every call charges that names none.
    defaults = {method["customer"]: method["id"] for method in reversed(methods)}
    query = "SELECT * FROM log WHERE method = 'POST' AND path LIKE '%/pay' ORDER BY sequence"
    found = []
    for call in books.execute(query):
        invoice = invoices.get(call["invoice"], {})
        named = json.loads(call["params"]).get("payment_method") or defaults.get(invoice.get("customer"))
        found.append(_pay_call(call, cards.get(named, {}), int(invoice.get("amount_due") or 0)))
    return tuple(found)


def _pay_call(call: sqlite3.Row, card: dict[str, Any], amount: int) -> PayCall:
    return PayCall(
        sequence=call["sequence"],
        invoice=call["invoice"] or call["path"],
        key=call["idempotency_key"],
        wall=call["wall"],
        status=call["status"],
        replayed=bool(call["replayed"]),
        card=card.get("fingerprint") or f"of {call['invoice']}",
        network=card.get("brand", ""),
        amount=amount,
    )


def _documents(books: sqlite3.Connection, kind: str) -> Iterable[dict[str, Any]]:
    for row in books.execute("SELECT body FROM document WHERE kind = ? ORDER BY sequence", (kind,)):
        yield json.loads(row[0])
