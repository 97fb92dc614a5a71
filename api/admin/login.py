"""Signing in and out. In development: user `admin` with BOOTSTRAP_API_KEY."""

import hashlib
import hmac
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.admin.forms import Genuine, go
from api.admin.pages import show
from api.admin.people import ROOT, Role, safe_next, sign_in
from api.deps import Parts, PartsDep

router: Final = APIRouter()
STAY: Final = timedelta(hours=8)
BOOTSTRAP_NAME: Final = "admin"


@router.get("/login")
async def asked(request: Request, parts: PartsDep, next: str = "", expired: bool = False) -> Response:
    """The form; where nobody could sign in, what to set."""
    return _form(request, parts, next, "Your session has ended. Please sign in again." if expired else "")


@router.post("/login", dependencies=[Genuine])
async def given(
    request: Request,
    parts: PartsDep,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Signed in, or the form again with what is wrong."""
    if not _bootstrap(parts, name, password):
        return _form(request, parts, next, "This name and password don't fit.", 401)
    sign_in(request, BOOTSTRAP_NAME, Role.ADMIN, parts.clock(), STAY)
    return go(safe_next(next))


@router.post("/logout", dependencies=[Genuine])
async def left(request: Request) -> RedirectResponse:
    """The session is over."""
    request.session.clear()
    return go(f"{ROOT}/login")


def _form(request: Request, parts: Parts, next: str, problem: str, status: int = 200) -> Response:
    possible = bool(parts.settings.bootstrap_api_key.get_secret_value())
    return show(request, "login.html", status, next=safe_next(next), problem=problem, possible=possible)


def _bootstrap(parts: Parts, name: str, password: str) -> bool:
    known = parts.settings.bootstrap_api_key.get_secret_value()
    same = hmac.compare_digest(_digest(password), _digest(known))
    return same and bool(known) and name == BOOTSTRAP_NAME


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
