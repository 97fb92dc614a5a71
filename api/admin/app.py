"""The operator's desk: an application of its own below /admin, with pages where the API has JSON."""

from typing import Final

from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from api.admin import dashboard, faults, login, policies, recoveries, simulations
from api.admin.access import access
from api.admin.pages import ASSETS, Pages
from api.admin.people import ROOT
from api.deps import Parts

COOKIE: Final = "pri_session"
PARTS: Final = (login, dashboard, recoveries, policies, simulations)


class Assets(StaticFiles):
    """Style and script. Their addresses change with their content, so browsers may keep them."""

    def file_response(self, *args: object, **named: object) -> object:  # type: ignore[override]
        """The file, with leave to keep it."""
        answer = super().file_response(*args, **named)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer


def create_admin(parts: Parts) -> FastAPI:
    """The desk over these parts. Raises InvalidInput for settings of the sign-in that are wrong."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    ways = access(parts.settings)
    app.state.parts, app.state.pages, app.state.access = parts, Pages(), ways
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/assets", Assets(directory=ASSETS))
    faults.install(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=ways.secret,
        session_cookie=COOKIE,
        max_age=int(ways.stay.total_seconds()),
        path=ROOT,
        same_site="lax",
        https_only=ways.secure,
    )
    return app
