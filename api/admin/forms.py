"""Forms of the admin console: the CSRF token, and flash messages on the page that follows."""

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
    """Tone of a flash message."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


def session_token(request: Request) -> str:
    """The CSRF token of this session, which every form must send; created at the first call."""
    found = request.session.get(TOKEN_KEY)
    if not isinstance(found, str):
        found = request.session[TOKEN_KEY] = secrets.token_urlsafe(24)
    return found


async def check_form_token(request: Request, sent: Annotated[str, Form(alias=TOKEN_KEY)] = "") -> None:
    """A dependency of every form's route: answers 403 unless the form sends this session's CSRF token."""
    known = request.session.get(TOKEN_KEY)
    if not isinstance(known, str) or not hmac.compare_digest(known.encode(), sent.encode()):
        raise HTTPException(403, "This form is out of date or did not come from this page. Go back and send it again.")


GenuineForm = Depends(check_form_token)


def flash_message(request: Request, text: str, tone: Tone = Tone.GOOD) -> None:
    """Stores a message (up to 500 characters) that the next page shows once; only the last five are kept."""
    messages = [*request.session.get(FLASH_MESSAGES_KEY, []), [tone.value, text[:500]]]
    request.session[FLASH_MESSAGES_KEY] = messages[-MOST_FLASH_MESSAGES:]


def take_flash_messages(request: Request) -> list[Any]:
    """The stored messages as pairs of tone and text; they are removed from the session."""
    return list(request.session.pop(FLASH_MESSAGES_KEY, []))


def redirect_to(address: str) -> RedirectResponse:
    """A redirect (303) to a page after a form was sent, so that reloading the page does not send it again."""
    return RedirectResponse(address, 303)
