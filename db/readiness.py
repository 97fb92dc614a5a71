"""Whether rows can be written, asked of the server without writing one."""

from typing import Final

from sqlalchemy import text

from db.session import Session

_SERVER_STATE: Final = text(
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, current_user::text"
)
_MAY_WRITE: Final = text(
    "SELECT to_regclass('webhook_inbox') IS NULL OR to_regclass('event_log') IS NULL"
    " OR (has_table_privilege('webhook_inbox', 'INSERT') AND has_table_privilege('event_log', 'INSERT'))"
)


async def find_write_obstacle(session: Session) -> str | None:
    """What keeps rows from being written, or None. Tables that are missing are not looked at here."""
    standby, read_only, role = (await session.execute(_SERVER_STATE)).one()
    if standby:
        return "the server is a standby in recovery: it can be read, not written"
    if read_only:
        return "transactions are read-only (default_transaction_read_only): nothing can be written"
    if not (await session.execute(_MAY_WRITE)).scalar_one():
        return f"the role {role} may not write: run `pri migrate`"
    return None
