"""The writer's role has exactly these privileges, table by table and column by column."""

from typing import Final

import psycopg
import pytest

from db import schema
from db.privileges import WRITER_PRIVILEGES
from devstack.postgres import WRITER
from tests.db.conftest import Addresses, run_as_owner

KEPT: Final = {
    "recovery": {"recovery_id"},
    "webhook_inbox": {"provider", "event_id", "event_type", "received_at"},
    "contact": {"provider"},
}
"""Columns that stay as they were inserted, where all others may change."""
TABLES: Final[dict[str, tuple[str, set[str]]]] = {
    "alembic_version": ("SELECT", set()),
    "event_log": ("INSERT SELECT", set()),
    "operator_action": ("INSERT SELECT", set()),
    "customer_identity": ("INSERT SELECT", {"original", "seen_at", "erased_at"}),
    "suppression": ("INSERT SELECT", {"customer_id"}),
    "signing_key": ("SELECT", set()),
    "recovery": ("INSERT SELECT", set()),
    "webhook_inbox": ("INSERT SELECT", set()),
    "contact": ("INSERT SELECT", set()),
    "recovery_figure": ("DELETE INSERT SELECT", set()),
    "recovery_change": ("DELETE INSERT SELECT", set()),
    "message_figure": ("DELETE INSERT SELECT", set()),
    "network_attempt": (
        "INSERT SELECT",
        {"fingerprint", "network", "fee_amount", "fee_currency", "outcome", "code", "network_code", "network_advice"},
    ),
    "message": ("INSERT SELECT", {"state", "tries", "claimed_at", "ended_at", "reason", "language"}),
    "notice": ("DELETE INSERT SELECT", {"handed_at", "outcome"}),
    "simulation": (
        "DELETE INSERT SELECT",
        {"state", "started_at", "ended_at", "done", "total", "result", "report", "problem"},
    ),
    "approval": ("INSERT SELECT", {"reason", "ended_at", "ended_by", "outcome", "request_id"}),
    "operator_signal": ("INSERT SELECT", {"command", "tries", "next_try_at", "delivered_at", "problem"}),
    "admin_session": ("DELETE INSERT SELECT", {"role", "last_seen_at", "ended_at", "ended_by"}),
    "api_key": ("INSERT SELECT", {"last_used_at", "revoked_at"}),
}
PRIVILEGES: Final = """
    SELECT relname, coalesce(string_agg(kind, ' ' ORDER BY kind)
           FILTER (WHERE has_table_privilege(%(role)s, oid, kind)), '')
    FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS kind
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY relname
"""
COLUMNS: Final = """
    SELECT relname, attname, has_column_privilege(%(role)s, c.oid, attname, 'UPDATE') FROM pg_class c
    JOIN pg_attribute ON attrelid = c.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""


def read_privileges(addresses: Addresses) -> dict[str, str]:
    """The kinds of privilege by table, partitions included."""
    with psycopg.connect(addresses.owner.replace("+psycopg", "")) as connection:
        return dict(connection.execute(PRIVILEGES, {"role": WRITER}).fetchall())


def read_columns(addresses: Addresses) -> dict[str, dict[str, bool]]:
    """Whether each column of each table may be changed."""
    found: dict[str, dict[str, bool]] = {}
    with psycopg.connect(addresses.owner.replace("+psycopg", "")) as connection:
        for table, column, allowed in connection.execute(COLUMNS, {"role": WRITER}):
            found.setdefault(table, {})[column] = allowed
    return found


def test_tables_have_exactly_these_privileges(addresses: Addresses) -> None:
    found = read_privileges(addresses)
    partitions = {name for name in found if name.startswith("event_log_")}
    assert partitions
    assert {found[name] for name in partitions} == {""}
    assert {name: kinds for name, kinds in found.items() if name not in partitions} == {
        name: kinds for name, (kinds, _) in TABLES.items()
    }


def test_exactly_these_columns_may_be_changed(addresses: Addresses) -> None:
    for table, columns in read_columns(addresses).items():
        allowed = {name for name, is_allowed in columns.items() if is_allowed}
        expected = set(columns) - KEPT[table] if table in KEPT else TABLES.get(table, ("", set()))[1]
        assert allowed == expected, table


@pytest.mark.parametrize(
    "granted", ["UPDATE ON suppression", "UPDATE (key) ON network_attempt", "TRUNCATE ON recovery"]
)
def test_every_migration_revokes_what_was_granted_by_hand(addresses: Addresses, granted: str) -> None:
    before = read_privileges(addresses), read_columns(addresses)
    run_as_owner(addresses, f"GRANT {granted} TO {WRITER}")
    assert (read_privileges(addresses), read_columns(addresses)) != before
    schema.upgrade_schema(addresses.owner, WRITER)
    assert (read_privileges(addresses), read_columns(addresses)) == before


def test_every_table_of_the_models_is_listed() -> None:
    assert WRITER_PRIVILEGES.keys() == TABLES.keys()
