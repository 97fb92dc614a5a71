"""State: JSON documents, idempotency keys, the request log and the ledger, in one SQLite file or in memory."""

import copy
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.models import Document

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, id TEXT, customer TEXT, invoice TEXT,
    payment_intent TEXT, charge TEXT, body TEXT, UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS by_customer ON document (kind, customer);
CREATE INDEX IF NOT EXISTS by_invoice ON document (kind, invoice);
CREATE INDEX IF NOT EXISTS by_intent ON document (kind, payment_intent);
CREATE INDEX IF NOT EXISTS by_charge ON document (kind, charge);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, request TEXT, created INTEGER, status INTEGER, body TEXT, request_id TEXT);
CREATE TABLE IF NOT EXISTS log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER, wall REAL, method TEXT, path TEXT, params TEXT,
    idempotency_key TEXT, stripe_version TEXT, invoice TEXT, status INTEGER, replayed INTEGER, outcome TEXT);
CREATE INDEX IF NOT EXISTS log_by_invoice ON log (invoice);
CREATE TABLE IF NOT EXISTS ledger (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, invoice TEXT, charge TEXT, payment_intent TEXT,
    payment_method TEXT, amount INTEGER, currency TEXT, at INTEGER, origin TEXT, idempotency_key TEXT);
CREATE INDEX IF NOT EXISTS ledger_by_invoice ON ledger (invoice);
CREATE TRIGGER IF NOT EXISTS ledger_no_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_no_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
DELETE FROM idempotency WHERE status IS NULL;
"""
LINK_COLUMNS = ("customer", "invoice", "payment_intent", "charge")


class Store:
    """A request changes state in one transaction, so a kill leaves it done and answered, or not begun."""

    def __init__(self, path: Path | None) -> None:
        self._scope = ""
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def for_account(self, account: str) -> "Store":
        """The documents of a connected account, in the same file; log, ledger and transactions are shared."""
        scoped = copy.copy(self)
        scoped._scope = f"{account}/"
        return scoped

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones join the outer one. Never hold it across an await."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put(self, kind: str, document: Document) -> Document:
        """Insert or replace by kind and id; the order of first insertion is kept."""
        row = (
            self._scope + kind,
            document["id"],
            *(_link_value(document, name) for name in LINK_COLUMNS),
            json.dumps(document),
        )
        self._db.execute(
            "INSERT INTO document (kind, id, customer, invoice, payment_intent, charge, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET customer = excluded.customer,"
            " invoice = excluded.invoice, payment_intent = excluded.payment_intent, charge = excluded.charge,"
            " body = excluded.body",
            row,
        )
        return document

    def get(self, kind: str, document_id: str | None) -> Document | None:
        """A copy of the document, or None."""
        sql = "SELECT body FROM document WHERE kind = ? AND id = ?"
        row = self._db.execute(sql, (self._scope + kind, document_id)).fetchone()
        return json.loads(row["body"]) if row else None

    def find(self, kind: str, **links: str | None) -> list[Document]:
        """Documents of a kind, newest first, whose links equal the given ones (None: any)."""
        wanted = {name: value for name, value in links.items() if value is not None}
        if unknown := set(wanted) - set(LINK_COLUMNS):
            raise ValueError(f"no such link: {unknown}")
        where = "".join(f" AND {name} = ?" for name in wanted)
        sql = f"SELECT body FROM document WHERE kind = ?{where} ORDER BY sequence DESC"
        return [json.loads(row["body"]) for row in self._db.execute(sql, (self._scope + kind, *wanted.values()))]

    def insert(self, table: str, **values: Any) -> int:
        """Append a row to the log or the ledger; gives its sequence."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        cursor = self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return int(cursor.lastrowid or 0)

    def read_rows(self, table: str, invoice: str | None = None) -> list[Document]:
        """Rows of the log or the ledger in order, all or those of one invoice."""
        where, values = (" WHERE invoice = ?", (invoice,)) if invoice else ("", ())
        return [dict(row) for row in self._db.execute(f"SELECT * FROM {table}{where} ORDER BY sequence", values)]

    def execute(self, sql: str, *values: Any) -> list[Document]:
        """Run one statement; gives its rows."""
        return [dict(row) for row in self._db.execute(sql, values)]


def _link_value(document: Document, name: str) -> str | None:
    payment = document.get("payment")
    value = document.get(name) or (payment.get(name) if isinstance(payment, dict) else None)
    return value if isinstance(value, str) else None


class KeyTable:
    """The idempotency keys of one fake: a key is new, running (no `status` yet), or answered."""

    def __init__(self, store: Store, lifetime_seconds: int, prefix: str = "") -> None:
        self._store = store
        self.lifetime_seconds = lifetime_seconds
        self._prefix = prefix

    def claim(self, key: str, request: str, now: int) -> Document | None:
        """Claim a new key (None), or give the row of one that was claimed before and has not expired."""
        name = self._prefix + key
        # A request that is still running keeps its key, however long it takes.
        expired = "DELETE FROM idempotency WHERE key = ? AND created <= ? AND status IS NOT NULL"
        self._store.execute(expired, name, now - self.lifetime_seconds)
        found = self._store.execute("SELECT * FROM idempotency WHERE key = ?", name)
        if not found:
            sql = "INSERT INTO idempotency (key, request, created) VALUES (?, ?, ?)"
            self._store.execute(sql, name, request, now)
        return found[0] if found else None

    def keep_answer(self, key: str, status: int, body: str, request_id: str = "") -> None:
        """Keep the answer."""
        sql = "UPDATE idempotency SET status = ?, body = ?, request_id = ? WHERE key = ?"
        self._store.execute(sql, status, body, request_id, self._prefix + key)

    def release(self, key: str) -> None:
        """The request had no lasting answer; the next one with this key is the first again."""
        self._store.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", self._prefix + key)


class SandboxClock:
    """Seconds since 1970; never goes back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offset: int = (store.get("clock", "clock") or {"offset": 0})["offset"]

    def now(self) -> int:
        """The sandbox's present moment."""
        return int(time.time()) + self._offset

    def now_for(self, store: Store, document: Document) -> int:
        """The present of an object: that of its test clock where it has one.

        A payment has none of its own: its customer's counts.
        """
        owner = store.get("customer", document.get("customer")) or {}
        clock = store.get("test_clock", document.get("test_clock") or owner.get("test_clock"))
        return int(clock["frozen_time"]) if clock else self.now()

    def advance(self, seconds: int) -> int:
        """Go forward; gives the new present."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self._offset += seconds
        self._store.put("clock", {"id": "clock", "offset": self._offset})
        return self.now()
