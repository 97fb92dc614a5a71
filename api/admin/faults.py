"""Errors as pages that say what happened and what to do."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.admin.forms import go
from api.admin.pages import show
from api.admin.people import SignInNeeded, sign_in_address
from api.problems import for_strangers, refused_with, status_of, wait_of
from core.errors import CommandRefused, RecoveryError, TooManyRequests


def install(app: FastAPI) -> None:
    """Answer every error with a page."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(RecoveryError, _ours)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    return go(sign_in_address(request, error.expired))


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, CommandRefused):
        return page(request, refused_with(error), str(error))
    if isinstance(error, TooManyRequests):
        answer = page(request, 429, str(error))
        answer.headers.update(wait_of(error))
        return answer
    status = status_of(error)
    return page(request, status, for_strangers(error)) if status else await _unexpected(request, error)


async def _unfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
    return page(request, 422, f"The request does not fit: {told}.")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return page(request, error.status_code, "There is no such page." if error.status_code == 404 else str(error.detail))


async def _unexpected(request: Request, error: Exception) -> Response:
    structlog.get_logger("api.admin").error("a page failed", exc_info=error)
    return page(request, 500, "Something went wrong here; it was logged.")


def page(request: Request, status: int, sentence: str) -> Response:
    """The error page."""
    return show(request, "fault.html", status, title=HTTPStatus(status).phrase, number=status, sentence=sentence)
