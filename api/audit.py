"""What people do outside of recoveries is kept, whichever door they came by."""

from typing import Any

from api.deps import Parts
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry


async def keep(
    parts: Parts, actor: str, action: AuditAction, subject: str | None = None, role: str | None = None, **detail: Any
) -> None:
    """One row of `operator_action`. `detail` holds no secrets and no customer's data. Raises StoreUnavailable."""
    done = AuditEntry(actor=actor, role=role, action=action, subject=subject, detail=detail)
    async with parts.database.begin() as session:
        await operator_actions.record_entry(session, done, parts.clock())
