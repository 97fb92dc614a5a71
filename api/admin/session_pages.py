"""The page of sessions: everybody sees and ends their own, an admin everybody's."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.admin import stored_sessions
from api.admin.forms import GenuineForm, flash_message, redirect_to
from api.admin.pages import show_page
from api.admin.sessions import ROOT, Person, Role, Viewer
from api.deps import PartsDep
from core.errors import NotFound
from core.operators import is_same_person
from db.repositories import admin_sessions
from db.repositories.admin_sessions import AdminSession

router: Final = APIRouter(prefix="/sessions")


@router.get("")
async def show_sessions_page(request: Request, parts: PartsDep, person: Viewer) -> Response:
    """The open sessions that this person may end, those seen last first."""
    async with parts.database.begin() as session:
        found = await admin_sessions.load_open_sessions(session, parts.clock())
    return show_page(request, "sessions.html", sessions=[one for one in found if _may_end(person, one)])


@router.post("/{session_id}/end", dependencies=[GenuineForm])
async def end_session(request: Request, parts: PartsDep, person: Viewer, session_id: UUID) -> Response:
    """Ends a session: the person's own, or, for an admin, anybody's."""
    async with parts.database.begin() as session:
        found = await admin_sessions.load_session(session, session_id)
        if found is None:
            raise NotFound("There is no such session.")
        if not _may_end(person, found):
            raise HTTPException(403, f"This needs the role {Role.ADMIN.value}: the session is {found.name}'s.")
        await stored_sessions.end_audited(session, [session_id], person.name, parts.clock(), person.role.value)
    if session_id == person.session_id:
        return redirect_to(f"{ROOT}/login")
    flash_message(request, f"The session of {found.name} is over.")
    return redirect_to(f"{ROOT}/sessions")


def _may_end(person: Person, found: AdminSession) -> bool:
    return person.has_role(Role.ADMIN) or is_same_person(person.name, found.name)
