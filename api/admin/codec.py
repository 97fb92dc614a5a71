"""Decodes payloads for Temporal's web UI, in the browser of somebody who is signed in to the admin console.

The UI is another origin. Its option "include cross-origin credentials" makes the browser send the session's cookie,
which is SameSite=Lax: the UI must be of the same site (host or domain, and scheme; ports don't matter). Only the origin
of TEMPORAL_UI_URL gets an answer, and CORS lets no other read one.
"""

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from api import payload_decoding, problems
from api.admin.sessions import Person, Role, SignInNeeded, require_role
from api.deps import Parts, PartsDep
from api.payload_decoding import Namespace, PayloadsJson

PREFLIGHT_SECONDS: Final = 600


def create_codec(parts: Parts) -> FastAPI:
    """The application below /admin/codec, which answers with JSON in place of pages."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.add_api_route("/decode", decode_for_person, methods=["POST"])
    problems.install_problem_handlers(app)
    app.add_exception_handler(SignInNeeded, _refuse_stranger)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[origin] if (origin := ui_origin(parts)) else [],
        allow_methods=["POST"],
        allow_headers=["X-Namespace"],
        allow_credentials=True,
        max_age=PREFLIGHT_SECONDS,
    )
    return app


def ui_origin(parts: Parts) -> str:
    """The origin of Temporal's web UI as browsers write it; empty without TEMPORAL_UI_URL."""
    address = urlsplit(parts.settings.temporal_ui_url)
    return f"{address.scheme}://{address.netloc}".lower() if address.netloc else ""


async def require_origin(request: Request, parts: PartsDep) -> None:
    """A dependency that answers 403 to pages of any other origin than Temporal's web UI."""
    # Browsers always name the origin here, and a page can't forge it: this is what a form's token is elsewhere.
    if request.headers.get("origin", "") != ui_origin(parts) or not ui_origin(parts):
        raise HTTPException(403, "Only Temporal's web UI at TEMPORAL_UI_URL may ask this.")


async def decode_for_person(
    parts: PartsDep,
    _: Annotated[None, Depends(require_origin)],
    person: Annotated[Person, Depends(require_role(Role.OPERATOR))],
    sent: PayloadsJson,
    namespace: Namespace = "",
) -> PayloadsJson:
    """The payloads decrypted, for operators and admins: nothing in them is masked."""
    return await payload_decoding.decode_for(parts, person.name, sent, namespace, person.role.value)


async def _refuse_stranger(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SignInNeeded)
    return problems.problem_response(
        request, 401, "unauthorized", "Sign in to the admin console in this browser first."
    )
