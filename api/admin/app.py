"""The admin console: a separate application below /admin that answers with HTML pages instead of JSON."""

from typing import Final

from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware

from api.admin import (
    audit,
    bulk_commands,
    cards,
    command_forms,
    dashboard,
    error_pages,
    export,
    login,
    messages,
    policies,
    recoveries,
    recovery_page,
    reviews,
    session_pages,
    simulations,
    webhooks,
)
from api.admin.codec import create_codec
from api.admin.login_config import build_login_config
from api.admin.pages import ASSETS, PageRenderer
from api.admin.sessions import ROOT
from api.admin.stored_sessions import SessionReader
from api.deps import Parts
from api.static_files import CachedFiles

SESSION_COOKIE: Final = "pri_session"
PAGE_MODULES: Final = (
    login,
    dashboard,
    recoveries,
    export,
    bulk_commands,
    recovery_page,
    command_forms,
    reviews,
    webhooks,
    policies,
    simulations,
    cards,
    messages,
    audit,
    session_pages,
)


def create_admin(parts: Parts) -> FastAPI:
    """The admin console with these parts. Raises InvalidInput for settings of the sign-in that can't be used."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    login_config = build_login_config(parts.settings)
    app.state.parts, app.state.pages, app.state.access = parts, PageRenderer(), login_config
    for part in PAGE_MODULES:
        app.include_router(part.router)
    app.mount("/codec", create_codec(parts))
    app.mount("/assets", CachedFiles(directory=ASSETS))
    error_pages.install_error_pages(app)
    # The one added last comes first: the cookie is read before the session that it names.
    app.add_middleware(SessionReader)
    app.add_middleware(
        SessionMiddleware,
        secret_key=login_config.secret,
        session_cookie=SESSION_COOKIE,
        max_age=int(login_config.session_length.total_seconds()),
        path=ROOT,
        same_site="lax",
        https_only=login_config.secure,
    )
    return app
