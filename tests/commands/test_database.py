"""Commands that work on a real database."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from db.repositories import event_log
from db.session import Database
from tests.commands.conftest import Answer, Pri
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, failed_event

TEMPORAL_AWAY = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


def psycopg_address(address: str) -> str:
    return address.replace("+psycopg", "")


def record_canceled_recovery(address: str, invoice_id: str) -> str:
    """The id of a recovery with three rows that failed and was canceled."""

    async def write_rows() -> str:
        database = Database(address)
        recovery = blank_recovery(invoice_id)
        async with database.begin() as session:
            records = await event_log.append_to_log(session, recovery, [failed_event(), canceled_event()], NOW)
        await database.close()
        assert records
        return f"recovery-stripe-{invoice_id}"

    return asyncio.run(write_rows())


@pytest.fixture
def fresh(fresh_database: Callable[..., Addresses], migrated: str) -> Addresses:
    """The addresses of a migrated database for one test."""
    return fresh_database(migrated)


def test_migrate_builds_the_tables_and_does_nothing_the_second_time(
    pri: Pri, fresh_database: Callable[..., Addresses]
) -> None:
    database_addresses = fresh_database()
    for _ in range(2):
        answer = pri(
            "migrate",
            DATABASE_URL=database_addresses.writer,
            DATABASE_OWNER_URL=database_addresses.owner,
            **TEMPORAL_AWAY,
        )
        assert (answer.code, answer.out) == (0, "")
        assert "at the newest migration" in answer.err
        assert "search attributes were not registered" in answer.err
    assert "0 recoveries, 0 rows, 0 problems" in pri("audit", "verify", DATABASE_URL=database_addresses.writer).out


def test_audit_verify_counts_intact_logs(pri: Pri, fresh: Addresses) -> None:
    names = [record_canceled_recovery(fresh.writer, f"in_{number}") for number in range(3)]
    assert pri("audit", "verify", DATABASE_URL=fresh.writer).out == "3 recoveries, 9 rows, 0 problems\n"
    single = pri("audit", "verify", names[1], DATABASE_URL=fresh.writer)
    assert (single.code, single.out) == (0, "1 recoveries, 3 rows, 0 problems\n")
    assert "no recovery" in pri("audit", "verify", "recovery-stripe-none", DATABASE_URL=fresh.writer).error_line()


def test_audit_verify_finds_a_forged_row(pri: Pri, fresh: Addresses) -> None:
    name, other = record_canceled_recovery(fresh.writer, "in_forged"), record_canceled_recovery(fresh.writer, "in_true")
    with psycopg.connect(psycopg_address(fresh.superuser), autocommit=True) as root:
        root.execute("SET session_replication_role = replica")
        root.execute("UPDATE event_log SET data = '{}' WHERE recovery_id = %s AND sequence = 1", (name,))
    answer: Answer = pri("audit", "verify", DATABASE_URL=fresh.writer)
    assert answer.code == 1
    *problems, total = answer.out.splitlines()
    assert problems
    assert all(line.startswith(f"{name} row ") for line in problems)
    assert total == f"2 recoveries, 6 rows, {len(problems)} problems"
    assert pri("audit", "verify", other, DATABASE_URL=fresh.writer).code == 0


def test_a_key_is_shown_once_and_stored_as_a_hash(pri: Pri, fresh: Addresses) -> None:
    words = ("keys", "create", "--scope", "recoveries:read", "--scope", "admin", "--name", "ann", "--days", "7")
    answer = pri(*words, DATABASE_URL=fresh.writer)
    assert (answer.code, answer.err) == (0, "")
    key = answer.out.strip()
    assert len(key) > 20
    with psycopg.connect(psycopg_address(fresh.superuser)) as root:
        cursor = root.execute("SELECT row_to_json(api_key)::text, expires_at FROM api_key")
        [(row, expires)] = cursor.fetchall()
    assert key not in row
    assert '"ann"' in row
    assert "recoveries:read" in row
    assert hashlib.sha256(key.encode()).hexdigest() in row.replace("\\\\x", "")
    assert 6 <= (expires - datetime.now(UTC)).days <= 7


@pytest.mark.parametrize(("lifetime", "hours"), [("12h", 12), ("90d", 90 * 24)])
def test_key_expires_after_its_lifetime(lifetime: str, hours: int, pri: Pri, fresh: Addresses) -> None:
    assert pri("keys", "create", "--scope", "admin", "--expires-in", lifetime, DATABASE_URL=fresh.writer).code == 0
    [key] = json.loads(pri("keys", "list", "--json", DATABASE_URL=fresh.writer).out)
    length = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])
    assert length == timedelta(hours=hours)


def test_keys_are_listed_and_revoked_with_audit_entries(pri: Pri, fresh: Addresses) -> None:
    assert pri("keys", "list", DATABASE_URL=fresh.writer).out == "there are no keys\n"
    secret = pri("keys", "create", "--scope", "admin", "--name", "ann", DATABASE_URL=fresh.writer).out.strip()
    prefix = "_".join(secret.split("_")[:2])
    listing = pri("keys", "list", DATABASE_URL=fresh.writer).out
    assert (prefix in listing, "ann" in listing, "works" in listing, secret in listing) == (True, True, True, False)
    assert pri("keys", "revoke", prefix, DATABASE_URL=fresh.writer).out == f"{prefix} does not work any more\n"
    assert f"revoked {datetime.now(UTC):%Y-}" in pri("keys", "list", DATABASE_URL=fresh.writer).out
    assert "revoked before" in pri("keys", "revoke", prefix, DATABASE_URL=fresh.writer).error_line()
    assert secret not in pri("keys", "revoke", secret, DATABASE_URL=fresh.writer).error_line()
    with psycopg.connect(psycopg_address(fresh.superuser)) as root:
        entries = root.execute("SELECT actor, action, subject FROM operator_action ORDER BY at").fetchall()
    assert entries == [("pri", "key_created", prefix), ("pri", "key_revoked", prefix)]


def test_erase_blanks_the_webhooks_of_one_customer(pri: Pri, fresh: Addresses) -> None:
    with psycopg.connect(psycopg_address(fresh.superuser), autocommit=True) as root:
        for number, customer in enumerate(("cus_gone", "cus_gone", "cus_stays")):
            root.execute(
                "INSERT INTO webhook_inbox"
                " (provider, event_id, event_type, received_at, body, outcome, customer_id, next_try_at)"
                " VALUES ('stripe', %s, 'x', now(), %s, 'accepted', %s, now())",
                (f"evt_{number}", f"mail of {customer}".encode(), customer),
            )
    for expected in (2, 0):
        answer = pri("erase", "cus_gone", DATABASE_URL=fresh.writer)
        count, kept = answer.out.splitlines()
        assert (answer.code, count) == (0, f"{expected} webhooks of cus_gone blanked")
        assert kept == "The event log is kept as it is, reasons of operators included: they were redacted when written."
    with psycopg.connect(psycopg_address(fresh.superuser)) as root:
        bodies = [bytes(body) for (body,) in root.execute("SELECT body FROM webhook_inbox") if body]
        entries = root.execute("SELECT actor, action, subject FROM operator_action").fetchall()
    assert bodies == [b"mail of cus_stays"]
    assert entries == [("pri", "customer_erased", "cus_gone")] * 2


def test_audit_anchors_the_log_and_verifies_against_it(pri: Pri, fresh: Addresses, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    first = pri("audit", "anchor", str(file), DATABASE_URL=fresh.writer)
    assert first.code == 0, first.err
    assert first.out.startswith("anchored 0 recoveries with rows of everything until ")
    # A minute may begin between two calls, but not between three of them.
    again = [pri("audit", "anchor", str(file), DATABASE_URL=fresh.writer).out for _ in range(2)]
    assert any("nothing to anchor" in out for out in again), again
    count = len(file.read_text().splitlines())
    verified = pri("audit", "verify", "--anchors", str(file), DATABASE_URL=fresh.writer)
    assert (verified.code, verified.out.splitlines()[0]) == (0, f"{count} anchors, 0 contradicted")
    file.write_text("{}\n")
    refused = pri("audit", "verify", "--anchors", str(file), DATABASE_URL=fresh.writer)
    assert refused.error_line() == "pri: line 1 of the anchor file is no anchor"
