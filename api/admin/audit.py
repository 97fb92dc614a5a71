"""Who did what, and whether the log of a recovery is still what was written."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from api.admin import deeds
from api.admin.forms import Genuine
from api.admin.pages import show
from api.admin.people import Operator, Viewer
from api.admin.words import recovery_address
from api.deps import Parts, PartsDep
from core.base import Value
from core.ids import recovery_id
from db import audit
from db.audit import AuditReport
from db.repositories import operator_actions, recoveries, webhooks
from db.repositories.operator_actions import AuditAction, AuditEntry

router: Final = APIRouter(prefix="/audit")
PAGE: Final = 50
ACTIONS: Final = (*deeds.LOGGED.items(), *deeds.KINDS.items())


class Verified(Value):
    """What came of looking at one recovery's log."""

    asked: str
    name: str | None = None
    """Its recovery_id; None where there is none."""
    address: str | None = None
    report: AuditReport = AuditReport()


@router.get("")
async def listed(
    request: Request, parts: PartsDep, _: Viewer, actor: str = "", action: str = "", cursor: str = ""
) -> Response:
    """Newest first."""
    return await _listed(request, parts, actor.strip(), action, cursor)


@router.post("/verify", dependencies=[Genuine])
async def verify(
    request: Request, parts: PartsDep, person: Operator, recovery: Annotated[str, Form(max_length=600)] = ""
) -> Response:
    """The verdict on one recovery, by its id or its invoice's."""
    asked = recovery.strip()
    found = Verified(asked=asked)
    if known := await _named(parts, asked):
        report = await audit.verify_log(parts.database, known)
        detail = {"verdict": "clean" if report.is_clean else "problems", "rows": report.rows}
        done = AuditEntry(
            actor=person.name, role=person.role.value, action=AuditAction.CHAIN_VERIFIED, subject=known, detail=detail
        )
        async with parts.database.begin() as session:
            await operator_actions.record_entry(session, done, parts.clock())
            row = await recoveries.load_recovery_row(session, known)
        page = recovery_address(row["provider"], row["invoice_id"]) if row else None
        found = Verified(asked=asked, name=known, address=page, report=report)
    return await _listed(request, parts, "", "", "", found)


async def _named(parts: Parts, asked: str) -> str | None:
    """The recovery that is meant: by its own id, else of an invoice of any provider that we heard of."""
    async with parts.database.begin() as session:
        names = [asked, *(recovery_id(provider, asked) for provider in await webhooks.list_providers(session))]
        for name in names:
            if asked and await recoveries.load_recovery_row(session, name):
                return name
    return asked if asked.startswith("recovery-") else None


async def _listed(
    request: Request, parts: Parts, actor: str, action: str, cursor: str, verified: Verified | None = None
) -> Response:
    async with parts.database.begin() as session:
        page = await deeds.find(session, actor or None, action or None, PAGE, cursor or None)
    return show(
        request,
        "audit.html",
        page=page,
        chosen={"actor": actor, "action": action},
        actions=ACTIONS,
        first=bool(cursor),
        verified=verified,
    )
