"""Renders pages from templates."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.admin import formatting, forms
from api.admin.sessions import ROOT, Role, Visit
from api.deps import get_parts

HERE: Final = Path(__file__).parent
ASSETS: Final = HERE / "assets"
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; frame-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: nothing from other servers, no inline scripts and styles."""
MENU: Final = (
    ("", "Dashboard", Role.VIEWER),
    ("recoveries", "Recoveries", Role.VIEWER),
    ("reviews", "Reviews", Role.VIEWER),
    ("webhooks", "Webhooks", Role.VIEWER),
    ("policies", "Policies", Role.VIEWER),
    ("simulations", "Simulator", Role.VIEWER),
    ("credentials", "Cards", Role.VIEWER),
    ("messages", "Messages", Role.VIEWER),
    ("audit", "Audit", Role.VIEWER),
)
"""Menu entries: address below /admin/, name, and the role that sees it."""


class PageRenderer:
    """The templates of the admin console, each compiled at its first use."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(formatting.FILTERS)
        self._templates.globals.update(
            root=ROOT, menu=MENU, asset=_asset_addresses().__getitem__, roles=Role, **formatting.GLOBALS
        )

    def render_page(self, request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page for the person who is signed in, with the flash messages of earlier forms, which are shown once."""
        shared = {
            "person": _visit_of(request).person,
            "sayings": forms.take_flash_messages(request),
            "token": forms.session_token(request),
            "here": _menu_section(request),
            "now": get_parts(request).clock(),
        }
        return HTMLResponse(
            self._templates.get_template(template).render(shared | context), status, _security_headers()
        )

    def render_part(self, request: Request, template: str, **context: Any) -> str:
        """The HTML of one part of a page, for live updates."""
        shared = {"token": forms.session_token(request), "now": get_parts(request).clock()}
        return self._templates.get_template(template).render(shared | context)


def renderer_of(request: Request) -> PageRenderer:
    """The renderer of the application that serves this request."""
    found = request.app.state.pages
    assert isinstance(found, PageRenderer)
    return found


def show_page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """See `PageRenderer.render_page`."""
    return renderer_of(request).render_page(request, template, status, **context)


def _security_headers() -> Mapping[str, str]:
    return {"Content-Security-Policy": CONTENT_POLICY}


def _visit_of(request: Request) -> Visit:
    found = request.state.visit
    assert isinstance(found, Visit)
    return found


def _menu_section(request: Request) -> str:
    """The menu entry that a page belongs to."""
    return str(request.scope["path"]).removeprefix(ROOT).strip("/").partition("/")[0]


def _asset_addresses() -> dict[str, str]:
    """Addresses of the assets by file name, each with a hash of its content, so that browsers may cache them."""
    files = [path for path in ASSETS.iterdir() if path.is_file()]
    return {
        path.name: f"{ROOT}/assets/{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in files
    }
