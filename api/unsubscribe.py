"""Unsubscribing from messages: a page with a button, and the one-click request of mail clients (RFC 8058).

No login: a token allows ending the messages that it names, and nothing else. GET changes nothing, because mail scanners
follow links. POST needs no CSRF token: it acts only on the customer whose token is in its path.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, StrictUndefined, Template

from api.deps import Parts, PartsDep
from core.messages.recipients import Subscription, read_unsubscribe_token
from db.repositories import suppressions
from db.repositories.customer_identities import find_customer_id
from settings import secret_keys

router: Final = APIRouter(prefix="/unsubscribe", include_in_schema=False)
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex",
}


@lru_cache(maxsize=1)
def _load_words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("api").joinpath("unsubscribe.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _load_template() -> Template:
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return made.from_string(files("api").joinpath("unsubscribe.html").read_text(encoding="utf-8"))


def _render_page(request: Request, text_key: str, status: int = 200) -> HTMLResponse:
    """The page with this text (`ask`, `done` or `unknown`), in the language that the browser asks for."""
    language = _choose_language(request.headers.get("accept-language", ""))
    words = _load_words()[language]
    known = {"language": language, "title": words["title"], "button": words["button"]}
    return HTMLResponse(_load_template().render(known, text=words[text_key], asks=text_key == "ask"), status, _HEADERS)


def _choose_language(wanted: str) -> str:
    """The first language of an Accept-Language header that we have; English if there is none."""
    asked = (part.partition(";")[0].strip()[:2].lower() for part in wanted[:500].split(","))
    return next((one for one in asked if one in _load_words()), "en")


@router.get("/{token}")
async def show_unsubscribe_page(token: str, request: Request, parts: PartsDep) -> HTMLResponse:
    """A page with a button; nothing is written. 404 for an unknown token."""
    return (
        _render_page(request, "ask")
        if await _read_subscription(parts, token)
        else _render_page(request, "unknown", 404)
    )


@router.post("/{token}")
async def unsubscribe_customer(token: str, request: Request, parts: PartsDep) -> HTMLResponse:
    """Unsubscribes the customer of this token. Idempotent: a repeat gets the same answer. 404 for an unknown token."""
    subscription = await _read_subscription(parts, token)
    if subscription is None:
        return _render_page(request, "unknown", 404)
    async with parts.database.begin() as session:
        # Links in old mail name the customer as earlier releases did.
        known = await find_customer_id(session, subscription.customer_id, parts.customer_ids.keys)
        subscription = subscription.model_copy(update={"customer_id": known})
        await suppressions.add_suppression(session, subscription, "link", parts.clock())
    return _render_page(request, "done")


@router.get("")
async def show_unsubscribe_page_by_query(request: Request, parts: PartsDep, token: str = "") -> HTMLResponse:
    """As `show_unsubscribe_page`, with the token as a parameter, for an `UNSUBSCRIBE_URL` that points here."""
    return await show_unsubscribe_page(token, request, parts)


@router.post("")
async def unsubscribe_customer_by_query(request: Request, parts: PartsDep, token: str = "") -> HTMLResponse:
    """As `unsubscribe_customer`, with the token as a parameter."""
    return await unsubscribe_customer(token, request, parts)


async def _read_subscription(parts: Parts, token: str) -> Subscription | None:
    """What the token unsubscribes from; None for a token that none of our keys signed. Raises StoreUnavailable."""
    # The keys of the settings first: links signed with them need no database.
    keys = secret_keys(parts.settings.unsubscribe_secrets)
    if found := read_unsubscribe_token(token, keys):
        return found
    async with parts.database.begin() as session:
        stored = await suppressions.signing_keys(session)
    return read_unsubscribe_token(token, stored)
