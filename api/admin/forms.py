"""Every form carries a token of its session, and says what came of it on the page that follows."""

import hmac
import secrets
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Depends, Form, Request
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

TOKEN_KEY: Final = "token"
FLASH_MESSAGES_KEY: Final = "sayings"
MOST_FLASH_MESSAGES: Final = 5


class Tone(StrEnum):
    """How something is said."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


def session_token(request: Request) -> str:
    """The token of this session, which its forms have to carry."""
    found = request.session.get(TOKEN_KEY)
    if not isinstance(found, str):
        found = request.session[TOKEN_KEY] = secrets.token_urlsafe(24)
    return found


async def check_form_token(request: Request, sent: Annotated[str, Form(alias=TOKEN_KEY)] = "") -> None:
    """A dependency of every form's route: it comes from a page of this session. 403 otherwise."""
    known = request.session.get(TOKEN_KEY)
    if not isinstance(known, str) or not hmac.compare_digest(known.encode(), sent.encode()):
        raise HTTPException(403, "This form is out of date or did not come from this page. Go back and send it again.")


GenuineForm = Depends(check_form_token)


def flash_message(request: Request, text: str, tone: Tone = Tone.GOOD) -> None:
    """Shown once, on the page that comes next."""
    messages = [*request.session.get(FLASH_MESSAGES_KEY, []), [tone.value, text[:500]]]
    request.session[FLASH_MESSAGES_KEY] = messages[-MOST_FLASH_MESSAGES:]


def take_flash_messages(request: Request) -> list[Any]:
    """What is to be shown now: pairs of tone and text."""
    return list(request.session.pop(FLASH_MESSAGES_KEY, []))


def redirect_to(address: str) -> RedirectResponse:
    """To a page, after a form was sent: loading that page again sends nothing twice."""
    return RedirectResponse(address, 303)
