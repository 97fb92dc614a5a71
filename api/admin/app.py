"""The operator's desk: an application of its own below /admin, with pages where the API has JSON."""

import hashlib
import hmac
import secrets
from typing import Final

from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from api.admin import dashboard, faults, login, policies, recoveries, simulations
from api.admin.pages import ASSETS, Pages
from api.admin.people import ROOT
from api.deps import Parts
from settings import Settings

COOKIE: Final = "pri_session"
KEPT_SECONDS: Final = 8 * 3600
PARTS: Final = (login, dashboard, recoveries, policies, simulations)


class Assets(StaticFiles):
    """Style and script. Their addresses change with their content, so browsers may keep them."""

    def file_response(self, *args: object, **named: object) -> object:  # type: ignore[override]
        """The file, with leave to keep it."""
        answer = super().file_response(*args, **named)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer


def create_admin(parts: Parts) -> FastAPI:
    """The desk over these parts."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts, app.state.pages = parts, Pages()
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/assets", Assets(directory=ASSETS))
    faults.install(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=_secret(parts.settings),
        session_cookie=COOKIE,
        max_age=KEPT_SECONDS,
        path=ROOT,
        same_site="lax",
    )
    return app


def _secret(settings: Settings) -> str:
    """The same in every API process, and after a restart; without a key that it could come from, nobody signs in."""
    known = settings.bootstrap_api_key.get_secret_value()
    if not known:
        return secrets.token_hex(32)
    return hmac.new(known.encode(), b"sessions of the desk", hashlib.sha256).hexdigest()
