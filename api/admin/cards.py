"""Cards: those charged last, and the attempt ledger of one card."""

from typing import Final

from fastapi import APIRouter, Request, Response

from api.admin.pages import show_page
from api.admin.sessions import Viewer
from api.credentials import load_credential
from api.deps import Fingerprint, PartsDep, ProviderName
from db.queries import cards

router: Final = APIRouter(prefix="/credentials")
PAGE_SIZE: Final = 50


@router.get("")
async def show_cards_page(request: Request, parts: PartsDep, _: Viewer, q: str = "", cursor: str = "") -> Response:
    """The cards charged last, or those whose fingerprint begins with `q`."""
    wanted = q.strip()
    async with parts.database.begin() as session:
        page = await cards.search_cards(session, wanted or None, None, PAGE_SIZE, cursor or None)
    return show_page(request, "cards.html", page=page, chosen={"q": wanted}, first=bool(cursor))


@router.get("/{provider}/{fingerprint}")
async def show_card_page(
    request: Request, parts: PartsDep, _: Viewer, provider: ProviderName, fingerprint: Fingerprint
) -> Response:
    """The attempt ledger of a card, with the card network's limits."""
    return show_page(request, "card.html", card=await load_credential(parts, fingerprint, provider))
