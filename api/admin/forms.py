"""Every form carries a token of its session, and says what came of it on the page that follows."""

import hmac
import secrets
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Depends, Form, Request
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

TOKEN: Final = "token"
SAYINGS: Final = "sayings"
MOST_SAYINGS: Final = 5


class Tone(StrEnum):
    """How something is said."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


def token(request: Request) -> str:
    """The token of this session, which its forms have to carry."""
    found = request.session.get(TOKEN)
    if not isinstance(found, str):
        found = request.session[TOKEN] = secrets.token_urlsafe(24)
    return found


async def genuine(request: Request, sent: Annotated[str, Form(alias=TOKEN)] = "") -> None:
    """A dependency of every form's route: it comes from a page of this session. 403 otherwise."""
    known = request.session.get(TOKEN)
    if not isinstance(known, str) or not hmac.compare_digest(known.encode(), sent.encode()):
        raise HTTPException(403, "This form is out of date or did not come from this page. Go back and send it again.")


Genuine = Depends(genuine)


def say(request: Request, text: str, tone: Tone = Tone.GOOD) -> None:
    """Shown once, on the page that comes next."""
    said = [*request.session.get(SAYINGS, []), [tone.value, text[:500]]]
    request.session[SAYINGS] = said[-MOST_SAYINGS:]


def heard(request: Request) -> list[Any]:
    """What is to be shown now: pairs of tone and text."""
    return list(request.session.pop(SAYINGS, []))


def go(address: str) -> RedirectResponse:
    """To a page, after a form was sent: loading that page again sends nothing twice."""
    return RedirectResponse(address, 303)
