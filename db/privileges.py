"""What the writer's role may do with each table: exactly what a statement of the service does, and nothing else.

Every `pri migrate` sets these anew. INSERT and SELECT go for all tables here; UPDATE for single columns, so that keys
and what was received stay as they were written. Rebuilding the read model is the owner's.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from db.models import METADATA


class TablePrivileges(NamedTuple):
    """What the writer may do with a table besides reading it."""

    insert: bool = True
    update: frozenset[str] = frozenset()
    """The columns that it may change."""
    delete: bool = False


def _all_but(table: str, *fixed: str) -> frozenset[str]:
    return frozenset(column.name for column in METADATA.tables[table].columns) - {*fixed}


WRITER_PRIVILEGES: Final[dict[str, TablePrivileges]] = {
    "alembic_version": TablePrivileges(insert=False),
    "event_log": TablePrivileges(),
    "operator_action": TablePrivileges(),
    "suppression": TablePrivileges(update=frozenset({"customer_id"})),
    "customer_identity": TablePrivileges(update=frozenset({"original", "seen_at", "erased_at"})),
    "signing_key": TablePrivileges(insert=False),
    "recovery": TablePrivileges(update=_all_but("recovery", "recovery_id")),
    "recovery_figure": TablePrivileges(delete=True),
    "recovery_change": TablePrivileges(delete=True),
    "message_figure": TablePrivileges(delete=True),
    "webhook_inbox": TablePrivileges(
        update=_all_but("webhook_inbox", "provider", "event_id", "event_type", "received_at")
    ),
    "network_attempt": TablePrivileges(
        update=frozenset(
            {"fingerprint", "network", "fee_amount", "fee_currency", "outcome", "code", "network_code",
             "network_advice"}
        )
    ),
    "contact": TablePrivileges(update=_all_but("contact", "provider")),
    "message": TablePrivileges(update=frozenset({"state", "tries", "claimed_at", "ended_at", "reason", "language"})),
    "notice": TablePrivileges(update=frozenset({"handed_at", "outcome"}), delete=True),
    "simulation": TablePrivileges(
        update=frozenset({"state", "started_at", "ended_at", "done", "total", "result", "report", "problem"}),
        delete=True,
    ),
    "approval": TablePrivileges(update=frozenset({"reason", "ended_at", "ended_by", "outcome", "request_id"})),
    "operator_signal": TablePrivileges(
        update=frozenset({"command", "tries", "next_try_at", "delivered_at", "problem"})
    ),
    "admin_session": TablePrivileges(
        update=frozenset({"role", "last_seen_at", "ended_at", "ended_by"}), delete=True
    ),
    "api_key": TablePrivileges(update=frozenset({"last_used_at", "revoked_at"})),
}  # fmt: skip


def grant_statements() -> Iterator[str]:
    """Statements with `{}` for the role: first all is revoked, of columns too, then this is granted."""
    yield f"REVOKE ALL ON {', '.join(WRITER_PRIVILEGES)} FROM PUBLIC, {{}}"
    for table, allowed in WRITER_PRIVILEGES.items():
        kinds = ["SELECT", *(["INSERT"] if allowed.insert else []), *(["DELETE"] if allowed.delete else [])]
        if allowed.update:
            kinds.append(f"UPDATE ({', '.join(sorted(allowed.update))})")
        yield f"GRANT {', '.join(kinds)} ON {table} TO {{}}"
    yield "GRANT EXECUTE ON FUNCTION ensure_event_log_partition(date) TO {}"
