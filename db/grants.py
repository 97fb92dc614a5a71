"""What the writer may do, put right by every `pri migrate`: the log is written and read, never changed."""

from typing import Final

from psycopg import sql
from sqlalchemy import Connection

WRITABLE_TABLES: Final = (
    "recovery", "webhook_inbox", "api_key", "network_attempt", "contact", "message", "notice", "simulation",
    "approval", "suppression", "signing_key",
    "recovery_figure", "recovery_touched",
)  # fmt: skip
"""Tables whose rows the writer may change."""
APPEND_ONLY_TABLES: Final = ("event_log", "operator_action")
"""Tables that only grow."""


def grant_writer_rights(connection: Connection, writer: str | None) -> None:
    """Exactly the rights the writer needs, after taking away all others. Nothing for the owner itself or None."""
    if writer is None or writer == connection.exec_driver_sql("SELECT current_user").scalar_one():
        return
    _open_schema(connection, writer)
    for statement in _grant_statements():
        _run_for_role(connection, statement, writer)


def _open_schema(connection: Connection, writer: str) -> None:
    """Another schema than `public` (by the address's search_path) is closed to all but its owner."""
    query = "SELECT current_schema(), has_schema_privilege(%s, current_schema(), 'USAGE')"
    schema, usable = connection.exec_driver_sql(query, (writer,)).one()
    if not usable:
        statement = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), sql.Identifier(writer))
        connection.exec_driver_sql(statement.as_string(None))


def _grant_statements() -> tuple[str, ...]:
    tables, logs = ", ".join(WRITABLE_TABLES), ", ".join(APPEND_ONLY_TABLES)
    return (
        f"REVOKE ALL ON {logs}, alembic_version, {tables} FROM PUBLIC, {{}}",
        f"GRANT INSERT, SELECT ON {logs} TO {{}}",
        f"GRANT INSERT, SELECT, UPDATE, DELETE ON {tables} TO {{}}",
        "GRANT SELECT ON alembic_version TO {}",
        "GRANT EXECUTE ON FUNCTION ensure_event_log_partition(date) TO {}",
    )


def _run_for_role(connection: Connection, statement: str, role: str) -> None:
    """A role's name can't be a parameter, so it is quoted as an identifier."""
    quoted = sql.SQL(statement).format(sql.Identifier(role))
    connection.exec_driver_sql(quoted.as_string(None))
