"""Cards: which were tried lately, and what the networks still allow for one."""

from typing import Final

from fastapi import APIRouter, Request, Response

from api.admin.pages import show
from api.admin.people import Viewer
from api.credentials import reading
from api.deps import Fingerprint, PartsDep, ProviderName
from db.repositories import cards

router: Final = APIRouter(prefix="/credentials")
PAGE: Final = 50


@router.get("")
async def listed(request: Request, parts: PartsDep, _: Viewer, q: str = "", cursor: str = "") -> Response:
    """The ones tried last, or those whose fingerprints begin with `q`."""
    wanted = q.strip()
    async with parts.database.begin() as session:
        page = await cards.search_cards(session, wanted or None, None, PAGE, cursor or None)
    return show(request, "cards.html", page=page, chosen={"q": wanted}, first=bool(cursor))


@router.get("/{provider}/{fingerprint}")
async def one(
    request: Request, parts: PartsDep, _: Viewer, provider: ProviderName, fingerprint: Fingerprint
) -> Response:
    """Its ledger, with the rules that bind."""
    return show(request, "card.html", card=await reading(parts, fingerprint, provider))
