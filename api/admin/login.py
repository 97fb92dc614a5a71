"""Signing in and out: at the OpenID provider, or by password on a development machine."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.admin import login_config, login_throttle, stored_sessions
from api.admin.forms import GenuineForm, redirect_to
from api.admin.oidc import LoginDenied, OpenIdClient
from api.admin.pages import show_page
from api.admin.sessions import ROOT, Role, SignInNeeded, safe_next_address, signed_in_person
from api.admin.stored_sessions import OPENID, PASSWORD
from api.deps import Parts, PartsDep
from api.problems import retry_after_header
from core.errors import NotFound, TooManyRequests
from db.repositories.operator_actions import AuditAction

router: Final = APIRouter()
NEXT_KEY: Final = "next"
LONGEST_NEXT: Final = 500
"""Limit of the address to return to: it is kept in the session cookie, which browsers drop beyond 4 KB."""


@router.get("/login")
async def show_login_page(request: Request, next: str = "", expired: bool = False) -> Response:
    """The login page with the configured ways to sign in; without any, the settings to make."""
    return _render_login(request, next, "Your session has ended. Please sign in again." if expired else "")


@router.post("/login", dependencies=[GenuineForm])
async def submit_login(
    request: Request,
    parts: PartsDep,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Signs in by password and redirects, or shows the form with the problem (401, 403 or 429)."""
    if not login_config.login_config_of(request).local:
        return _render_login(request, next, "Nobody signs in by password here.", 403)
    try:
        role = await login_throttle.log_in_by_password(request, parts, username, password)
    except TooManyRequests as refusal:
        return _throttled_form(request, next, refusal)
    if role is None:
        return _render_login(request, next, "Wrong name or password.", 401)
    return await _complete_login(request, parts, username, role, next, PASSWORD)


@router.get("/login/start")
async def start_openid_login(request: Request, next: str = "") -> Response:
    """Redirects to the OpenID provider."""
    wanted = safe_next_address(next)
    try:
        answer = await _require_openid(request).start_login(request)
    except LoginDenied as denied:
        return _render_login(request, next, str(denied), denied.status)
    request.session[NEXT_KEY] = wanted if len(wanted) <= LONGEST_NEXT else f"{ROOT}/"
    return answer


@router.get("/login/callback")
async def finish_openid_login(request: Request, parts: PartsDep) -> Response:
    """Signs in the person who comes back from the OpenID provider, or shows why not."""
    openid, next = _require_openid(request), str(request.session.get(NEXT_KEY, ""))
    try:
        who = await openid.finish_login(request)
    except LoginDenied as denied:
        await login_throttle.record_failed_login(request, parts, denied.name, denied.why)
        await stored_sessions.end_denied_sessions(parts, denied.name)
        return _render_login(request, next, str(denied), denied.status)
    return await _complete_login(request, parts, who.name, who.role, next, OPENID)


@router.post("/logout", dependencies=[GenuineForm])
async def log_out(request: Request, parts: PartsDep) -> RedirectResponse:
    """Ends the session here. A session at the OpenID provider is not ended."""
    try:
        who = signed_in_person(request)
        await stored_sessions.end_own_session(parts, who)
        await login_throttle.record_session_event(request, parts, who.name, who.role, AuditAction.LOGOUT)
    except SignInNeeded:
        pass
    request.session.clear()
    return redirect_to(f"{ROOT}/login")


async def _complete_login(request: Request, parts: Parts, name: str, role: Role, next: str, how: str) -> Response:
    await login_throttle.record_session_event(request, parts, name, role, AuditAction.LOGIN, how=how)
    await stored_sessions.start_session(request, parts, name, role, how)
    return redirect_to(safe_next_address(next))


def _require_openid(request: Request) -> OpenIdClient:
    found = login_config.login_config_of(request).openid
    if found is None:
        raise NotFound("There is no such page.")
    return found


def _throttled_form(request: Request, next: str, refusal: TooManyRequests) -> Response:
    answer = _render_login(request, next, str(refusal), 429)
    answer.headers.update(retry_after_header(refusal))
    return answer


def _render_login(request: Request, next: str, problem: str, status: int = 200) -> Response:
    ways = login_config.login_config_of(request)
    shown = {
        "next": safe_next_address(next),
        "problem": problem,
        "local": bool(ways.local),
        "openid": ways.openid is not None,
    }
    return show_page(request, "login.html", status, **shown)
