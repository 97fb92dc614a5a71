"""Signing in and out: at the OpenID provider, or by password where this is a development machine."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.admin import access, gate
from api.admin.forms import Genuine, go
from api.admin.oidc import Denied, OpenId
from api.admin.pages import show
from api.admin.people import ROOT, Role, SignInNeeded, safe_next, sign_in, signed_in
from api.deps import Parts, PartsDep
from api.problems import wait_of
from core.errors import NotFound, TooManyRequests
from db.repositories.operator_actions import AuditAction

router: Final = APIRouter()
NEXT: Final = "next"
LONGEST_NEXT: Final = 500
"""It travels in the cookie, which browsers drop when it grows beyond 4 KB."""


@router.get("/login")
async def asked(request: Request, next: str = "", expired: bool = False) -> Response:
    """The ways to sign in; where nobody could, what to set."""
    return _form(request, next, "Your session has ended. Please sign in again." if expired else "")


@router.post("/login", dependencies=[Genuine])
async def given(
    request: Request,
    parts: PartsDep,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Signed in, or the form again with what is wrong."""
    if not access.of(request).local:
        return _form(request, next, "Nobody signs in by password here.", 403)
    try:
        role = await gate.by_password(request, parts, username, password)
    except TooManyRequests as refusal:
        return _later(request, next, refusal)
    if role is None:
        return _form(request, next, "This name and password don't fit.", 401)
    return await _in(request, parts, username, role, next, "password")


@router.get("/login/start")
async def begun(request: Request, next: str = "") -> Response:
    """To the OpenID provider."""
    wanted = safe_next(next)
    try:
        answer = await _openid(request).begin(request)
    except Denied as denied:
        return _form(request, next, str(denied), denied.status)
    request.session[NEXT] = wanted if len(wanted) <= LONGEST_NEXT else f"{ROOT}/"
    return answer


@router.get("/login/callback")
async def back(request: Request, parts: PartsDep) -> Response:
    """Back from the OpenID provider."""
    openid, next = _openid(request), str(request.session.get(NEXT, ""))
    try:
        who = await openid.finish(request)
    except Denied as denied:
        await gate.failed(request, parts, denied.name, denied.why)
        return _form(request, next, str(denied), denied.status)
    return await _in(request, parts, who.name, who.role, next, "openid")


@router.post("/logout", dependencies=[Genuine])
async def left(request: Request, parts: PartsDep) -> RedirectResponse:
    """The session is over here; whoever came by OpenID may still have one at the provider."""
    try:
        who = signed_in(request, parts.clock())
        await gate.record(request, parts, who.name, who.role, AuditAction.LOGOUT)
    except SignInNeeded:
        pass
    request.session.clear()
    return go(f"{ROOT}/login")


async def _in(request: Request, parts: Parts, name: str, role: Role, next: str, how: str) -> Response:
    await gate.record(request, parts, name, role, AuditAction.LOGIN, how=how)
    sign_in(request, name, role, parts.clock(), access.of(request).stay)
    return go(safe_next(next))


def _openid(request: Request) -> OpenId:
    found = access.of(request).openid
    if found is None:
        raise NotFound("There is no such page.")
    return found


def _later(request: Request, next: str, refusal: TooManyRequests) -> Response:
    answer = _form(request, next, str(refusal), 429)
    answer.headers.update(wait_of(refusal))
    return answer


def _form(request: Request, next: str, problem: str, status: int = 200) -> Response:
    ways = access.of(request)
    shown = {"next": safe_next(next), "problem": problem, "local": bool(ways.local), "openid": ways.openid is not None}
    return show(request, "login.html", status, **shown)
