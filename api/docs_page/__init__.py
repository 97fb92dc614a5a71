"""`/docs`: Swagger UI over the OpenAPI description, all of it from this service."""

from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.static_files import CachedFiles

HERE: Final = Path(__file__).parent
ASSETS: Final = "/docs/assets"
PACKAGE: Final = "fastapi-swagger"
"""Brings Swagger UI's files."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: nothing from other servers, no inline scripts and styles."""
router: Final = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    """The page; its script reads `/openapi.json`."""
    page = Template((HERE / "page.html").read_text()).substitute(version=version(PACKAGE))
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})


def docs_files() -> CachedFiles:
    """Our script, and Swagger UI's files from the installed package."""
    return CachedFiles(directory=HERE, packages=[("fastapi_swagger", "resources")])
