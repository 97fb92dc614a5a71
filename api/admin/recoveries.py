"""The list of recoveries."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from api.admin.pages import show
from api.admin.people import Viewer
from api.admin.words import STATES
from api.deps import PartsDep
from db.repositories import recoveries
from db.repositories.recoveries import Filters

router: Final = APIRouter()
PAGE: Final = 50


@router.get("/recoveries")
async def listed(
    request: Request, parts: PartsDep, _: Viewer, q: str = "", state: str = "", cursor: Annotated[str, Query()] = ""
) -> Response:
    """Newest first."""
    filters = Filters(q=q or None, state=state or None)
    async with parts.database.begin() as session:
        page = await recoveries.find(session, filters, PAGE, cursor or None)
    chosen = {"q": q, "state": state}
    return show(request, "recoveries.html", page=page, chosen=chosen, states=list(STATES.items()))
