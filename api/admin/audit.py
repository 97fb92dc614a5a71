"""The audit page: audit entries, and the verification of a recovery's log."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from api.admin import audit_entries
from api.admin.formatting import recovery_address
from api.admin.forms import GenuineForm
from api.admin.pages import show_page
from api.admin.sessions import Operator, Viewer
from api.deps import Parts, PartsDep
from core.base import Value
from core.ids import recovery_id
from db import audit
from db.audit import AuditReport
from db.queries import webhooks
from db.repositories import operator_actions, recoveries
from db.repositories.operator_actions import AuditAction, AuditEntry

router: Final = APIRouter(prefix="/audit")
PAGE_SIZE: Final = 50
ACTION_CHOICES: Final = (*audit_entries.EVENT_LABELS.items(), *audit_entries.ACTION_LABELS.items())


class LogVerification(Value):
    """Result of verifying one recovery's log."""

    search_text: str
    name: str | None = None
    """The recovery_id; None if no recovery was found."""
    address: str | None = None
    """The recovery's page; None without one."""
    report: AuditReport = AuditReport()


@router.get("")
async def show_audit_page(
    request: Request, parts: PartsDep, _: Viewer, actor: str = "", action: str = "", cursor: str = ""
) -> Response:
    """The audit entries, newest first, filtered by actor and action."""
    return await _render_audit(request, parts, actor.strip(), action, cursor)


@router.post("/verify", dependencies=[GenuineForm])
async def verify_recovery_log(
    request: Request, parts: PartsDep, person: Operator, recovery: Annotated[str, Form(max_length=600)] = ""
) -> Response:
    """Verifies the log of one recovery, named by its id or its invoice's, and records that in the audit log."""
    asked = recovery.strip()
    found = LogVerification(search_text=asked)
    if known := await _find_recovery_id(parts, asked):
        report = await audit.verify_log(parts.database, known)
        detail = {"verdict": "clean" if report.is_clean else "problems", "rows": report.rows}
        done = AuditEntry(
            actor=person.name, role=person.role.value, action=AuditAction.CHAIN_VERIFIED, subject=known, detail=detail
        )
        async with parts.database.begin() as session:
            await operator_actions.record_entry(session, done, parts.clock())
            row = await recoveries.load_recovery_row(session, known)
        page = recovery_address(row["provider"], row["invoice_id"]) if row else None
        found = LogVerification(search_text=asked, name=known, address=page, report=report)
    return await _render_audit(request, parts, "", "", "", found)


async def _find_recovery_id(parts: Parts, asked: str) -> str | None:
    """The id of the recovery with this id, or of this invoice at any provider; None for any other text."""
    async with parts.database.begin() as session:
        names = [asked, *(recovery_id(provider, asked) for provider in await webhooks.list_providers(session))]
        for name in names:
            if asked and await recoveries.load_recovery_row(session, name):
                return name
    return asked if asked.startswith("recovery-") else None


async def _render_audit(
    request: Request, parts: Parts, actor: str, action: str, cursor: str, verified: LogVerification | None = None
) -> Response:
    async with parts.database.begin() as session:
        page = await audit_entries.find_audit_entries(session, actor or None, action or None, PAGE_SIZE, cursor or None)
    return show_page(
        request,
        "audit.html",
        page=page,
        chosen={"actor": actor, "action": action},
        actions=ACTION_CHOICES,
        first=bool(cursor),
        verified=verified,
    )
